// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Look up metrics and breakdowns, and their labels. */

/** Return a metric that the template does not describe. */
const unknown = (key) => ({
  key,
  label: humanise(key),
  unit: key.includes("volume") ? "bytes" : "count",
  kind: "flow",
  definition: "",
});

/** Return a metric by its key: label, unit, kind and definition. */
export const metricOf = (settings, key) => settings.metrics[key] || unknown(key);

/** Return a breakdown by its key: label, singular, fields and so on. */
export const breakdownOf = (settings, key) =>
  settings.breakdowns[key] || { key, label: humanise(key) };

/** Return metrics as the choices of a control. */
export const metricChoices = (settings, keys) =>
  keys.map((key) => ({ value: key, text: metricOf(settings, key).label }));

/** Return the label of one value of a breakdown, for a column heading: Country. */
export const singularOf = ({ singular, label }) => singular || label;

/** Return a label as written within a sentence: not capitalised, except in German. */
export const inSentence = (label, locale) => {
  const isAbbreviation = label.charAt(1) !== label.charAt(1).toLowerCase();
  return isAbbreviation || locale.startsWith("de")
    ? label
    : label.charAt(0).toLowerCase() + label.slice(1);
};

const humanise = (key) => {
  const words = String(key).replace(/_/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};
