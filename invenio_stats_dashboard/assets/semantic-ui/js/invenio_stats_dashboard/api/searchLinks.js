// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Link breakdown values to the search for their records. */

import { HIDDEN, OTHER, UNKNOWN } from "./answers";

/** Ids that stand for records without a value in common. */
const UNSEARCHED = [HIDDEN, OTHER, UNKNOWN];

/**
 * Return the address of the search for the records that have a value, or null.
 *
 * Args:
 *   searchUrl: search page of the repository or of a community.
 *   breakdown: with fields (paths in a record), text (name of the field of a value that
 *     has no id) and vocabulary. A breakdown of events has no fields, so no search.
 *   id: of the value.
 */
export const searchLink = (searchUrl, breakdown, id) => {
  const fields = (breakdown && breakdown.fields) || [];
  if (!fields.length || breakdown.event || !id || UNSEARCHED.includes(id)) {
    return null;
  }
  const phrase = `"${String(id).replace(/(["\\])/g, "\\$1")}"`;
  const terms = fields.flatMap((field) => termsOf(field, breakdown, id, phrase));
  return `${searchUrl}?${new URLSearchParams({ q: terms.join(" OR ") }).toString()}`;
};

/** The endings of file names. InvenioRDM does not always store them in this field. */
const FILE_TYPES = "files.types";

const termsOf = (field, { vocabulary, text }, id, phrase) => {
  const path = field.replace(/:/g, "\\:");
  const terms = [];
  if (vocabulary || text) {
    terms.push(`${path}.id:${phrase}`);
  }
  if (text) {
    // a title has a text for each language, the other fields have one text
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
