// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Write CSV, for tables that the API does not offer as a file. */

// the server reads the same table for its files
import FORMULA_STARTS from "./formulaStarts.json";

/**
 * Return rows of values as the text of a CSV file.
 *
 * An apostrophe goes before text that a spreadsheet would read as a formula.
 */
export const toCsv = (rows) =>
  rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

const cell = (value) => {
  if (typeof value === "number") {
    return String(value);
  }
  const text = value === null || value === undefined ? "" : String(value);
  const escaped = FORMULA_STARTS.includes(text[0]) ? `'${text}` : text;
  return /[",\r\n]/.test(escaped) ? `"${escaped.replace(/"/g, '""')}"` : escaped;
};
