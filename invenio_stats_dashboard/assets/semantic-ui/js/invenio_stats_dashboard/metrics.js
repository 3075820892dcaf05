// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Words about metrics and breakdowns, from what the template tells of them. */

/** Return a metric that is not told of, as well as can be. */
const unknown = (key) => ({
  key,
  label: humanise(key),
  unit: key.includes("volume") ? "bytes" : "count",
  kind: "flow",
  definition: "",
});

/** Return a metric by its key: label, unit, kind and definition. */
export const metricOf = (settings, key) => settings.metrics[key] || unknown(key);

/** Return a breakdown by its key: label, fields and so on. */
export const breakdownOf = (settings, key) =>
  settings.breakdowns[key] || { key, label: humanise(key) };

/** Return choices of metrics for a control. */
export const metricChoices = (settings, keys) =>
  keys.map((key) => ({ value: key, text: metricOf(settings, key).label }));

const humanise = (key) => {
  const words = String(key).replace(/_/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};
