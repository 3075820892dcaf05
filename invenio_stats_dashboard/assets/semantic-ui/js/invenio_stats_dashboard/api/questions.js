// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** What a widget asks of the API, as an address. */

import { CUSTOM } from "../state/ranges";

/**
 * Return the parameters that all questions share.
 *
 * Nothing is compared with when the range has no time before it.
 */
const common = (state, locale) => ({
  ...(state.range === CUSTOM
    ? { from: state.from, to: state.to }
    : { range: state.range }),
  ...(state.basis === "added" ? {} : { basis: state.basis }),
  ...(comparisonOf(state) ? { compare: comparisonOf(state) } : {}),
  ...language(locale),
});

/** The API names a language as Babel does: pt_BR. */
const language = (locale) => (locale ? { lang: locale.replace("-", "_") } : {});

/** Return what a state compares with, or null. */
export const comparisonOf = ({ compare, range }) =>
  compare === "none" || range === "all" ? null : compare;

/** Return an address from its parameters, in their order. */
export const address = (endpoint, parameters) =>
  `${endpoint}?${new URLSearchParams(parameters).toString()}`;

/** Ask for totals, and for a number for each interval. */
export const totalsQuestion = (state, metrics, locale) => ({
  metrics: metrics.join(","),
  ...common(state, locale),
  ...(state.interval ? { interval: state.interval } : {}),
});

/**
 * Ask for what the time chart shows.
 *
 * Args:
 *   chart: metric (as in `settings.metrics`), breakdown or null, top, cumulative,
 *     and shared: the metrics of the figures, whose answer serves the chart as well.
 */
export const chartQuestion = (state, chart, locale) => {
  const { metric, breakdown, top, cumulative, shared = [] } = chart;
  if (
    !breakdown &&
    !cumulative &&
    metric.kind !== "distinct" &&
    shared.includes(metric.key)
  ) {
    return totalsQuestion(state, shared, locale);
  }
  const question = totalsQuestion(state, [metric.key], locale);
  if (breakdown) {
    Object.assign(question, { breakdown, top, other: "true" });
    delete question.compare;
  }
  if (cumulative || (metric.kind === "distinct" && state.interval !== "day")) {
    question.cumulative = "true";
  }
  return question;
};

/** Ask for the cells of a breakdown over the whole range. */
export const breakdownQuestion = (state, { breakdown, metric, top }, locale) => ({
  metrics: metric,
  breakdown,
  top,
  other: "true",
  ...common(state, locale),
  interval: "year",
});

/** Ask for the most used records. */
export const recordsQuestion = (state, { by, of, size }, locale) => {
  const { basis, compare, ...range } = common(state, locale);
  return { by, of, size, ...range };
};

/** Ask for all numbers there are, as a file. */
export const everythingQuestion = (state, locale) => ({
  range: "all",
  metrics: "all",
  breakdown: "all",
  top: "all",
  ...(state.basis === "added" ? {} : { basis: state.basis }),
  ...language(locale),
});

/** Return the address of a question's answer as a file: csv or xlsx. */
export const fileAddress = (endpoint, question, format) =>
  address(endpoint, { ...question, format });
