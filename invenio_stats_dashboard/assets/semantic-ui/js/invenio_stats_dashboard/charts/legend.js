// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Room for a legend, which ECharts does not make by itself. */

const SIGN = 22;
const GAP = 16;
/** Letters of a label; longer ones are cut off. */
const LONGEST = 30;
/** Pixels of a letter of 13 pixels, about. */
const LETTER = 7;
/** Height of a row of a legend. */
export const ROW = 22;

/** Return a label that is not longer than a legend bears. */
export const shortLabel = (label) =>
  label.length > LONGEST ? `${label.slice(0, LONGEST - 1)}…` : label;

/** Return how many rows a legend takes in some width. */
export const legendRows = (names, width) => {
  let rows = 1;
  let left = width;
  names.forEach((name) => {
    const needed = SIGN + GAP + shortLabel(name).length * LETTER;
    if (needed > left && left < width) {
      rows += 1;
      left = width;
    }
    left -= needed;
  });
  return rows;
};
