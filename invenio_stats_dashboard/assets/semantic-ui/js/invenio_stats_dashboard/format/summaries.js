// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Describe charts in sentences, for screen readers and quick reading. */

import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { formatBucket, formatDay, formatRange } from "./dates";
import { changeOf, formatChange, formatShare, formatValue } from "./numbers";

/**
 * Return the summary of a time chart.
 *
 * Args:
 *   label, kind, unit: of the metric.
 *   buckets, interval, values, total: of the period; total may be null.
 *   comparedTotal, comparedRange: of the compared period, or null.
 *   cumulative: whether the values are running totals.
 *   locale: of the page.
 */
export const timeSummary = (chart) => {
  const { label, kind, unit, buckets, interval, values, total, locale } = chart;
  const value = (number) => formatValue(number, unit, locale);
  const sentences = [];
  const { start } = buckets[0];
  const { end } = buckets[buckets.length - 1];
  const running = chart.cumulative || kind !== "flow";
  const last = values[values.length - 1];
  if (kind === "level") {
    sentences.push(
      i18next.t("{{label}} on {{day}}: {{value}}.", {
        label,
        day: formatDay(end, locale),
        value: value(typeof total === "number" ? total : last),
      })
    );
  } else if (running) {
    sentences.push(
      i18next.t("{{label}}, total up to {{day}}: {{value}}.", {
        label,
        day: formatDay(end, locale),
        value: value(last),
      })
    );
  } else {
    sentences.push(
      i18next.t("{{label}}, {{range}}: {{value}}.", {
        label,
        range: formatRange(start, end, locale),
        value: value(total),
      })
    );
  }
  const { comparedTotal, comparedRange } = chart;
  const change = formatChange(changeOf(total, comparedTotal), locale);
  if (comparedRange && typeof comparedTotal === "number" && !chart.cumulative) {
    sentences.push(
      change === null
        ? i18next.t("Compared with {{value}} for {{range}}.", {
            value: value(comparedTotal),
            range: comparedRange,
          })
        : i18next.t("{{change}} compared with {{range}} ({{value}}).", {
            change,
            range: comparedRange,
            value: value(comparedTotal),
          })
    );
  }
  if (!running && values.length > 1) {
    const highest = values.reduce(
      (best, one, index) => (one > values[best] ? index : best),
      0
    );
    if (values[highest] > 0) {
      sentences.push(
        i18next.t("Highest: {{bucket}} ({{value}}).", {
          bucket: formatBucket(buckets[highest], interval, locale),
          value: value(values[highest]),
        })
      );
    }
  }
  return sentences.join(" ");
};

/** Return the summary of a ranking: its first three values and their shares. */
export const rankingSummary = ({ label, metric, cells, whole, unit, locale }) => {
  const first = cells
    .slice(0, 3)
    .map((cell) => {
      const share = whole ? formatShare(cell.total, whole, locale) : null;
      const value = formatValue(cell.total, unit, locale);
      return `${cell.label} (${share ? `${value}, ${share}` : value})`;
    })
    .join("; ");
  return i18next.t("{{metric}} by {{label}}: {{first}}.", { metric, label, first });
};

/** Return the numbers of one interval of a chart as text. */
export const pointSummary = ({ title, rows }) =>
  `${title}: ${rows.map(({ name, value }) => `${name} ${value}`).join(", ")}.`;
