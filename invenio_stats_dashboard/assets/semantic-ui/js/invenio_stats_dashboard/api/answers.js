// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Read answers of the API. */

import { changeOf } from "../format/numbers";

/** Ids of breakdown values: all values that are not listed, and no value. */
export const OTHER = "_other";
export const UNKNOWN = "unknown";

/** Id of the records that an anonymous search does not find. */
export const HIDDEN = "_hidden";

const find = (series, metric, breakdown, id) =>
  (series || []).find(
    (one) =>
      one.metric === metric &&
      (one.breakdown || null) === breakdown &&
      (id === undefined || one.id === id)
  );

/** Return the total of a metric in the period. */
export const totalOf = (answer, metric) => {
  const value = answer.totals && answer.totals[metric];
  return value === undefined ? null : value;
};

/** Return the total in the compared period, or null. */
export const comparedTotalOf = (answer, metric) => {
  const { comparison } = answer;
  const value = comparison && comparison.totals && comparison.totals[metric];
  return value === undefined ? null : value;
};

/** Return the change from the compared period, as a ratio, or null. */
export const totalChangeOf = (answer, metric) =>
  changeOf(totalOf(answer, metric), comparedTotalOf(answer, metric));

/** Return the numbers of a metric by interval; an empty list if it is missing. */
export const valuesOf = (answer, metric) => {
  const series = find(answer.series, metric, null);
  return series ? series.values : [];
};

/** Return the numbers by interval in the compared period, or null. */
export const comparedValuesOf = (answer, metric) => {
  const series = answer.comparison && find(answer.comparison.series, metric, null);
  return series ? series.values : null;
};

/**
 * Return the values of a breakdown, the largest first and the rest last.
 *
 * Each has id, label, total, values (by interval) and compared: its total in the
 * compared period, or null.
 */
export const cellsOf = (answer, metric, breakdown) => {
  const cells = (answer.series || [])
    .filter((one) => one.metric === metric && one.breakdown === breakdown)
    .map(({ id, label, total, values }) => {
      const before =
        answer.comparison && find(answer.comparison.series, metric, breakdown, id);
      return {
        id,
        label: label || id,
        total,
        values,
        compared: before ? before.total : null,
      };
    });
  // two values can have the same label
  const labels = cells.map(({ label }) => label);
  cells.forEach((cell, index) => {
    if (labels.indexOf(cell.label) !== labels.lastIndexOf(cell.label)) {
      cells[index] = { ...cell, label: `${cell.label} (${cell.id})` };
    }
  });
  return [
    ...cells.filter(({ id }) => id !== OTHER),
    ...cells.filter(({ id, total }) => id === OTHER && total !== 0),
  ];
};

/** Return how many values a breakdown has, listed in the answer or not. */
export const countCells = (answer, breakdown) => {
  const about = answer.breakdowns && answer.breakdowns[breakdown];
  return about ? about.values : 0;
};

/** Return whether there are no numbers at all, in any period. */
export const hasNoData = (answer) => !answer.bounds || !answer.bounds.first;

/** Return whether the period has no numbers of these metrics. */
export const isEmpty = (answer, metrics) =>
  metrics.every(
    (metric) => !totalOf(answer, metric) && !some(valuesOf(answer, metric))
  );

const some = (values) => values.some((value) => value);

/**
 * Return the rows of a ranking of records.
 *
 * Each has rank, title (null if the user may not see the record), href or null, deleted
 * and count.
 */
export const recordRowsOf = (answer, by) =>
  (answer.rows || answer.records || []).map((row, index) => ({
    rank: row.rank || index + 1,
    title: row.visible === false ? null : row.title,
    href:
      row.visible !== false && row.recid
        ? `/records/${encodeURIComponent(row.recid)}`
        : null,
    deleted: Boolean(row.deleted),
    count: typeof row[by] === "number" ? row[by] : row.count,
  }));

/** Return the definition of a metric: that of an answer, or without one of the page. */
export const definitionOf = (answer, metric) => {
  const about = answer && answer.metrics && answer.metrics[metric.key];
  return (about && about.definition) || metric.definition;
};
