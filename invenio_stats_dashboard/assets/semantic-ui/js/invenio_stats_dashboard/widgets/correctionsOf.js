// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Corrections: changed numbers of days that were already complete. */

import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { countDays, formatDay, formatRange } from "../format/dates";

/** A correction of more days than this is listed, but not marked on the chart. */
const LONG = 31;

/** Return the corrections that affect a metric: first day, last day and text. */
export const correctionsOf = ({ corrections }, metric, locale) =>
  (corrections || [])
    .filter(({ scope }) => !scope || !metric.of || scope === metric.of)
    .filter(({ day }) => day)
    .map(({ day, last_day: last, why }) => {
      const days =
        last && last !== day ? formatRange(day, last, locale) : formatDay(day, locale);
      const reason = reasons()[why];
      return {
        first: day,
        last: last || day,
        text: reason ? `${days} (${reason})` : days,
      };
    });

/** Return the intervals to mark on the chart: index and text. */
export const marksOf = (buckets, corrections) => {
  const short = corrections.filter(({ first, last }) => countDays(first, last) <= LONG);
  return buckets
    .map(({ start, end }, index) => ({
      index,
      texts: short
        .filter(({ first, last }) => first <= end && last >= start)
        .map(({ text }) => text),
    }))
    .filter(({ texts }) => texts.length)
    .map(({ index, texts }) => ({
      index,
      text: i18next.t("Corrected later: {{days}}", {
        days: [...new Set(texts)].join("; "),
      }),
    }));
};

const reasons = () => ({
  "new events": i18next.t("late events"),
  "deleted events": i18next.t("deleted events"),
  "changed events": i18next.t("changed events"),
  "restatement": i18next.t("recounted"),
  "rebuild": i18next.t("recounted"),
});
