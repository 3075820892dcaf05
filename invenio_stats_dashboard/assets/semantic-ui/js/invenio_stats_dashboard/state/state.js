// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/**
 * The state of the page, and its parameters in the address.
 *
 * The address has only what differs from the defaults, so that it is short to share.
 * Parameters that do not belong to this page stay unchanged.
 */

import { isDay } from "../format/dates";
import { CUSTOM, isNamedRange } from "./ranges";

export const INTERVALS = ["day", "week", "month", "quarter", "year"];
export const BASES = ["added", "created", "published"];
export const COMPARISONS = ["previous", "year", "none"];

const NAMES = [
  "range",
  "from",
  "to",
  "interval",
  "basis",
  "compare",
  "cumulative",
  "metric",
  "breakdown",
  "tab",
];
const WIDGET = /^([a-z0-9_-]+)\.(metric|top|view)$/;

/** Return the state of a page whose address has no parameters. */
export const defaultState = (defaults = {}) => ({
  range: isNamedRange(defaults.range) ? defaults.range : "30d",
  from: null,
  to: null,
  interval: INTERVALS.includes(defaults.interval) ? defaults.interval : null,
  basis: BASES.includes(defaults.basis) ? defaults.basis : "added",
  compare: COMPARISONS.includes(defaults.compare) ? defaults.compare : "previous",
  cumulative: false,
  metric: null,
  breakdown: null,
  tab: null,
  widgets: {},
});

/**
 * Read the state from the query of an address.
 *
 * Invalid values are ignored.
 */
export const parseState = (search, defaults) => {
  const initial = defaultState(defaults);
  const parameters = new URLSearchParams(search);
  const one = (name, values, other) =>
    values.includes(parameters.get(name)) ? parameters.get(name) : other;
  const state = {
    ...initial,
    range: isNamedRange(parameters.get("range"))
      ? parameters.get("range")
      : initial.range,
    interval: one("interval", [...INTERVALS, "auto"], initial.interval),
    basis: one("basis", BASES, initial.basis),
    compare: one("compare", COMPARISONS, initial.compare),
    cumulative: parameters.get("cumulative") === "true",
    metric: parameters.get("metric") || null,
    breakdown: parameters.get("breakdown") || null,
    tab: parameters.get("tab") || null,
    widgets: parseWidgets(parameters),
  };
  if (state.interval === "auto") {
    state.interval = null;
  }
  const [from, to] = [parameters.get("from"), parameters.get("to")];
  if (isDay(from) && isDay(to) && from <= to) {
    return { ...state, range: CUSTOM, from, to };
  }
  return state;
};

/** Return the query of the address for a state. */
export const formatState = (state, defaults, search = "") => {
  const initial = defaultState(defaults);
  const parameters = new URLSearchParams(search);
  [...parameters.keys()]
    .filter((name) => NAMES.includes(name) || WIDGET.test(name))
    .forEach((name) => parameters.delete(name));
  if (state.range === CUSTOM) {
    parameters.set("from", state.from);
    parameters.set("to", state.to);
  } else if (state.range !== initial.range) {
    parameters.set("range", state.range);
  }
  ["basis", "compare", "metric", "breakdown", "tab"].forEach((name) => {
    if (state[name] && state[name] !== initial[name]) {
      parameters.set(name, state[name]);
    }
  });
  if (state.interval !== initial.interval) {
    parameters.set("interval", state.interval || "auto");
  }
  if (state.cumulative) {
    parameters.set("cumulative", "true");
  }
  Object.keys(state.widgets)
    .sort()
    .forEach((id) => {
      Object.entries(state.widgets[id]).forEach(([name, value]) =>
        parameters.set(`${id}.${name}`, value)
      );
    });
  const text = parameters.toString();
  return text ? `?${text}` : "";
};

/** Return a state with changed choices of one widget; null resets a choice. */
export const changeWidget = (state, id, changes) => {
  const choices = { ...state.widgets[id], ...changes };
  Object.keys(choices).forEach((name) => {
    if (choices[name] === null) {
      delete choices[name];
    }
  });
  return { ...state, widgets: { ...state.widgets, [id]: choices } };
};

const parseWidgets = (parameters) => {
  const widgets = {};
  parameters.forEach((value, name) => {
    const match = WIDGET.exec(name);
    if (match && value) {
      widgets[match[1]] = { ...widgets[match[1]], [match[2]]: value };
    }
  });
  return widgets;
};
