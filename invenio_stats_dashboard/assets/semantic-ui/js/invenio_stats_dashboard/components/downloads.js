// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** The files that a widget offers. */

import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { fileAddress } from "../api/questions";
import { pngOf, save } from "../charts/files";

/** Return the items of a question whose answer is wanted as a file. */
export const tableFiles = (endpoint, question) => [
  { text: i18next.t("Table (CSV)"), href: fileAddress(endpoint, question, "csv") },
  { text: i18next.t("Table (Excel)"), href: fileAddress(endpoint, question, "xlsx") },
];

/**
 * Return the items of a picture.
 *
 * Args:
 *   svg: returns it as the text of an SVG file.
 *   name: returns the name of the file with a suffix.
 */
export const pictureFiles = (svg, name) => [
  {
    text: i18next.t("Picture (PNG)"),
    onSelect: () => pngOf(svg()).then((blob) => save(blob, name("png"))),
  },
  {
    text: i18next.t("Picture (SVG)"),
    onSelect: () => save(new Blob([svg()], { type: "image/svg+xml" }), name("svg")),
  },
];
