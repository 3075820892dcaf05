// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Calculate the space that a legend needs; ECharts does not reserve any. */

const SIGN = 22;
const GAP = 16;
/** Characters of a label; longer labels are cut off. */
const LONGEST = 30;
/** Average width of a character, in pixels, at a font size of 13 pixels. */
const LETTER = 7;
/** Height of a row of a legend, in pixels. */
export const ROW = 22;

/** Return a label, cut off if it is too long for a legend. */
export const shortLabel = (label) =>
  label.length > LONGEST ? `${label.slice(0, LONGEST - 1)}…` : label;

/** Return the number of rows that a legend takes in a width. */
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
