// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Read the settings that the template passes in data attributes. */

import { normaliseLayout } from "./layout/normalise";

/**
 * Read the settings.
 *
 * Args:
 *   dataset: of the root element; docs/dashboards.md describes its attributes.
 *
 * Returns: endpoint, community (or null), title, searchUrl, locale, canManage,
 *   loginUrl, defaults, layout, and metrics and breakdowns: objects by key, in order.
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

/** Return items by key, from a list of items that have a key, or from an object. */
const byKey = (items) => {
  const entries = Array.isArray(items)
    ? items.map((item) => [item.key, item])
    : Object.entries(items);
  return Object.fromEntries(entries.map(([key, item]) => [key, { ...item, key }]));
};
