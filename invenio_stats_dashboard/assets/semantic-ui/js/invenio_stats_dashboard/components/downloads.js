// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Items of a widget's download menu. */

import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { fileAddress } from "../api/questions";
import { pngOf, save } from "../charts/files";

/** Return the items for the data of a request. */
export const tableFiles = (endpoint, question) => [
  { text: i18next.t("Table (CSV)"), href: fileAddress(endpoint, question, "csv") },
  { text: i18next.t("Table (Excel)"), href: fileAddress(endpoint, question, "xlsx") },
];

/**
 * Return the items for an image.
 *
 * Args:
 *   svg: returns the image as the text of an SVG file.
 *   name: returns the file name for a suffix.
 */
export const pictureFiles = (svg, name) => [
  {
    text: i18next.t("Image (PNG)"),
    onSelect: () => pngOf(svg()).then((blob) => save(blob, name("png"))),
  },
  {
    text: i18next.t("Image (SVG)"),
    onSelect: () => save(new Blob([svg()], { type: "image/svg+xml" }), name("svg")),
  },
];
