// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/**
 * Complete the configured layout.
 *
 * The application checks the configuration at startup. This module fills in defaults,
 * and leaves out kinds of widgets, metrics and breakdowns that the page does not know.
 */

export const KINDS = ["figures", "chart", "breakdown", "map", "records", "text"];

export const FIGURES = [
  "records",
  "views",
  "downloads",
  "view_visitors",
  "downloaded_volume",
  "uploaders",
];
const CHART_METRICS = [
  "views",
  "downloads",
  "view_visitors",
  "downloaded_volume",
  "records",
  "records_added",
  "stored_volume",
  "uploaders",
];
const CELL_METRICS = ["views", "downloads", "records"];
const EVENT_METRICS = ["views", "downloads", "view_visitors"];
const WIDE = 16;

/** Return a list of tabs, each with id, label, and rows of widgets. */
export const normaliseLayout = (layout, metrics, breakdowns, locale) => {
  const tabs = Array.isArray(layout) ? layout : layout.tabs || [];
  const seen = new Map();
  return tabs.map((tab, index) => ({
    id: String(tab.id || tab.key || `tab-${index + 1}`),
    label: textOf(tab.label || tab.title || tab.text, locale) || `${index + 1}`,
    rows: (tab.rows || [])
      .map((row) =>
        (Array.isArray(row) ? row : row.widgets || [])
          .filter((widget) => KINDS.includes(widget.kind))
          .map((widget) =>
            normaliseWidget(widget, { metrics, breakdowns, locale, seen })
          )
          .filter(Boolean)
          .map((widget, _, all) => ({
            ...widget,
            width: widget.width || Math.floor(WIDE / all.length),
          }))
      )
      .filter((row) => row.length),
  }));
};

/** Return a text in a language: a plain text unchanged, or the best translation. */
export const textOf = (text, locale) => {
  if (!text || typeof text !== "object") {
    return text || "";
  }
  const language = String(locale).split(/[-_]/)[0];
  return text[locale] || text[language] || text.en || Object.values(text)[0] || "";
};

const normaliseWidget = (widget, about) => {
  const { metrics, breakdowns, locale, seen } = about;
  const options = { ...widget, ...widget.options };
  const known = (keys, all, other) => {
    const found = (keys || other).filter((key) => key in all);
    return found.length || !keys ? found : other.filter((key) => key in all);
  };
  const filled = {
    kind: widget.kind,
    width: Math.min(Number(widget.width) || 0, WIDE),
    title: textOf(widget.title || options.title, locale),
  };
  const named = (name) => {
    const times = (seen.get(name) || 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : `${name}-${times}`;
  };

  switch (widget.kind) {
    case "figures":
      return {
        ...filled,
        id: named("figures"),
        metrics: known(options.metrics, metrics, FIGURES),
      };
    case "chart":
      return {
        ...filled,
        id: named("chart"),
        metrics: withFirst(
          known(options.metrics, metrics, CHART_METRICS),
          options.metric
        ),
        breakdowns: known(options.breakdowns, breakdowns, Object.keys(breakdowns)),
        breakdown: options.breakdown in breakdowns ? options.breakdown : null,
        interval: options.interval || null,
        cumulative: Boolean(options.cumulative),
        top: Number(options.top) || 7,
      };
    case "breakdown":
    case "map": {
      const key = options.breakdown || (widget.kind === "map" ? "countries" : null);
      if (!(key in breakdowns)) {
        return null;
      }
      const usual = breakdowns[key].event ? EVENT_METRICS : CELL_METRICS;
      return {
        ...filled,
        id: named(widget.kind === "map" ? "map" : key),
        breakdown: key,
        metrics: known(options.metrics, metrics, usual),
        top: Number(options.top) || 10,
      };
    }
    case "records": {
      const by = options.by === "downloads" ? "downloads" : "views";
      return {
        ...filled,
        id: named(`records-${by}`),
        by,
        of: options.of === "records" ? "records" : "parents",
        size: Number(options.size || options.top) || 10,
      };
    }
    default:
      return {
        ...filled,
        id: named("text"),
        heading: textOf(options.heading, locale) || filled.title,
        text: textOf(options.text, locale),
      };
  }
};

/** Return the keys with one of them moved to the front. */
const withFirst = (keys, first) =>
  keys.includes(first) ? [first, ...keys.filter((key) => key !== first)] : keys;
