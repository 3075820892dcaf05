// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** What the template tells the page, from the data attributes of its root. */

import { normaliseLayout } from "./layout/normalise";

/**
 * Read the settings.
 *
 * Args:
 *   dataset: of the root element; docs/dashboards.md lists its attributes.
 *
 * Returns: endpoint, community (or null), title, searchUrl, locale, canManage, loginUrl,
 *   defaults, metrics and breakdowns (by key, in their order) and layout.
 */
export const readSettings = (dataset) => {
  const community = readJson(dataset.community, null);
  const metrics = byKey(readJson(dataset.metrics, {}));
  const breakdowns = byKey(readJson(dataset.breakdowns, {}));
  const locale = dataset.locale || document.documentElement.lang || "en";
  return {
    endpoint: dataset.endpoint,
    community,
    title: (community && community.title) || dataset.title || "",
    searchUrl: dataset.searchUrl || "/search",
    locale: locale.replace("_", "-"),
    canManage: dataset.canManage === "true",
    loginUrl: dataset.loginUrl || "",
    defaults: readJson(dataset.defaults, {}),
    metrics,
    breakdowns,
    layout: normaliseLayout(readJson(dataset.layout, []), metrics, breakdowns, locale),
  };
};

const readJson = (text, other) => {
  if (!text) {
    return other;
  }
  try {
    const value = JSON.parse(text);
    return value === null ? other : value;
  } catch (error) {
    return other;
  }
};

/** Return what is named by key, from a list of things with a key or from an object. */
const byKey = (things) => {
  const entries = Array.isArray(things)
    ? things.map((thing) => [thing.key, thing])
    : Object.entries(things);
  return Object.fromEntries(entries.map(([key, thing]) => [key, { ...thing, key }]));
};
