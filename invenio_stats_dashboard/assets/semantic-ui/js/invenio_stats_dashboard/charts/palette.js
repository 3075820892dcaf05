// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/**
 * Colours that people with any colour vision can distinguish (Okabe and Ito, 2008).
 *
 * Yellow is left out and sky blue comes late, because they are hard to see on white.
 * Neighbours differ in lightness, and bars also have a pattern.
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

/** The colour of the values that are not listed. */
export const REST = "#b3b3b3";

/** The colour of a mark for an interval with corrections. */
export const MARK = "#d55e00";

/** The colour of the compared period. */
export const COMPARED = "#6b6b6b";

/** The colours of text and of axis lines. */
export const TEXT = "#4a4a4a";
export const LINES = "#dededf";

/** Colours on a map, from small to large numbers. */
export const SHADES = ["#deebf7", "#9ecae1", "#4292c6", "#08519c", "#08306b"];

/** The colour of a country without a number, on a map. */
export const NOTHING = "#f1f1f1";
