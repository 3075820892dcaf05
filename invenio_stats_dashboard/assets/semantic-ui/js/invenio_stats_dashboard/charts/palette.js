// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/**
 * Colours that people with any colour vision can tell apart (Okabe and Ito, 2008).
 *
 * Yellow is left out and sky blue comes late: on white they are hard to see. Neighbours
 * differ in lightness, and bars have a pattern beside their colour.
 */
export const PALETTE = [
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#56b4e9",
  "#d55e00",
  "#4d4d4d",
];

/** The colour of a single series. */
export const MAIN = PALETTE[0];

/** The colour of the cells that are not told by themselves. */
export const REST = "#b3b3b3";

/** The colour of a mark: something is to be known of this interval. */
export const MARK = "#d55e00";

/** The colour of the range compared with. */
export const COMPARED = "#6b6b6b";

/** The colour of texts and lines beside the numbers. */
export const TEXT = "#4a4a4a";
export const LINES = "#dededf";

/** From few to many, on a map. */
export const SHADES = ["#deebf7", "#9ecae1", "#4292c6", "#08519c", "#08306b"];

/** What is nothing, on a map. */
export const NOTHING = "#f1f1f1";
