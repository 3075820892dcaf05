// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Tables as CSV, for answers that the API has no file of. */

/**
 * Return rows of values as the text of a CSV file.
 *
 * A text that a spreadsheet would take for a formula begins with an apostrophe.
 */
export const toCsv = (rows) =>
  rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

const cell = (value) => {
  if (typeof value === "number") {
    return String(value);
  }
  const text = value === null || value === undefined ? "" : String(value);
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replace(/"/g, '""')}"` : harmless;
};
