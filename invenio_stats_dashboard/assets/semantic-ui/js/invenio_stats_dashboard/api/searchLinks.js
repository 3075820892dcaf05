// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Links from a cell to the search that finds its records. */

import { OTHER, UNKNOWN } from "./answers";

/**
 * Return the address of a search for the records of a cell, or null.
 *
 * Args:
 *   searchUrl: search page of the repository or of a community.
 *   breakdown: fields (paths of a record), text (key of a text without an id), vocabulary;
 *     a breakdown of events has no fields and leads nowhere.
 *   id: of the cell.
 */
export const searchLink = (searchUrl, breakdown, id) => {
  const fields = (breakdown && breakdown.fields) || [];
  if (!fields.length || breakdown.event || id === OTHER || id === UNKNOWN || !id) {
    return null;
  }
  const phrase = `"${String(id).replace(/(["\\])/g, "\\$1")}"`;
  const terms = fields.flatMap((field) => termsOf(field, breakdown, id, phrase));
  return `${searchUrl}?${new URLSearchParams({ q: terms.join(" OR ") }).toString()}`;
};

/** The type of a file is the ending of its name, which InvenioRDM does not always keep. */
const FILE_TYPES = "files.types";

const termsOf = (field, { vocabulary, text }, id, phrase) => {
  const path = field.replace(/:/g, "\\:");
  const terms = [];
  if (vocabulary || text) {
    terms.push(`${path}.id:${phrase}`);
  }
  if (text) {
    // a title is a text for each language, other texts are one
    terms.push(`${path}.${text === "title" ? "title.\\*" : text}:${phrase}`);
  }
  if (!terms.length) {
    terms.push(`${path}:${phrase}`);
  }
  if (field === FILE_TYPES && /^\w+$/.test(id)) {
    terms.push(`files.entries.key:*.${id}`);
  }
  return terms;
};
