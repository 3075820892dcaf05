// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Derive the data of a time chart and its table from an answer. */

import {
  cellsOf,
  comparedTotalOf,
  comparedValuesOf,
  OTHER,
  totalOf,
  valuesOf,
} from "../api/answers";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { formatRange } from "../format/dates";
import { correctionsOf, marksOf } from "./correctionsOf";

/**
 * Return the data of a chart, for `timeChart` and `timeSummary`.
 *
 * Args:
 *   answer: of the API.
 *   shown: metric, breakdown (or null), cumulative, locale, and name of the chart.
 */
export const chartData = (answer, { metric, breakdown, cumulative, locale, name }) => {
  const cells = breakdown ? cellsOf(answer, metric.key, breakdown) : [];
  const running = cumulative || Boolean(answer.cumulative);
  const comparedValues = breakdown ? null : comparedValuesOf(answer, metric.key);
  const { comparison } = answer;
  const corrections = correctionsOf(answer, metric, locale);
  const comparedRange = comparison
    ? formatRange(comparison.from, comparison.to, locale)
    : null;
  return {
    from: answer.from,
    to: answer.to,
    buckets: answer.buckets,
    interval: answer.interval,
    label: metric.label,
    kind: metric.kind,
    unit: metric.unit,
    cumulative: running,
    locale,
    stacked: Boolean(breakdown),
    series: breakdown
      ? cells.map(({ id, label, values }) => ({
          name: label,
          values,
          rest: id === OTHER,
        }))
      : [
          {
            name: comparedValues ? formatRange(answer.from, answer.to, locale) : name,
            values: valuesOf(answer, metric.key),
          },
        ],
    values: valuesOf(answer, metric.key),
    total: totalOf(answer, metric.key),
    compared: comparedValues && {
      name: comparedRange,
      buckets: comparison.buckets,
      values: comparedValues,
    },
    comparedTotal: comparedValues ? comparedTotalOf(answer, metric.key) : null,
    comparedRange,
    corrections,
    marks: marksOf(answer.buckets, corrections),
    unfinished: unfinishedOf(answer),
  };
};

/** Return the first interval whose days are not all complete, or null. */
const unfinishedOf = ({ buckets, data_as_of: moment }) => {
  const index = moment
    ? buckets.findIndex(({ end }) => end >= moment.slice(0, "YYYY-MM-DD".length))
    : -1;
  return index < 0 ? null : { index, text: i18next.t("Still running (partial).") };
};
