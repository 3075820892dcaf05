// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Build the parameters and addresses of requests to the API. */

import { CUSTOM } from "../state/ranges";

/**
 * Return the parameters that all requests share.
 *
 * All time has no earlier period to compare with.
 */
const common = (state, locale) => ({
  ...(state.range === CUSTOM
    ? { from: state.from, to: state.to }
    : { range: state.range }),
  ...(state.basis === "added" ? {} : { basis: state.basis }),
  ...(comparisonOf(state) ? { compare: comparisonOf(state) } : {}),
  ...language(locale),
});

/** Return the language in the form that the API accepts, as in Babel: pt_BR. */
const language = (locale) => (locale ? { lang: locale.replace("-", "_") } : {});

/** Return the comparison of a state, or null. */
export const comparisonOf = ({ compare, range }) =>
  compare === "none" || range === "all" ? null : compare;

/** Return an address with parameters, in their order. */
export const address = (endpoint, parameters) =>
  `${endpoint}?${new URLSearchParams(parameters).toString()}`;

/** Request totals and a number for each interval. */
export const totalsQuestion = (state, metrics, locale) => ({
  metrics: metrics.join(","),
  ...common(state, locale),
  ...(state.interval ? { interval: state.interval } : {}),
});

/**
 * Request the data of a time chart.
 *
 * Args:
 *   chart: metric (as in `settings.metrics`), breakdown (or null), top, cumulative, and
 *     shared: the metrics of the figures. If the chart can use their answer, the same
 *     request is returned.
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

/** Request the values of a breakdown in the whole period. */
export const breakdownQuestion = (state, { breakdown, metric, top }, locale) => ({
  metrics: metric,
  breakdown,
  top,
  other: "true",
  ...common(state, locale),
  interval: "year",
});

/** Request the most used records. */
export const recordsQuestion = (state, { by, of, size }, locale) => {
  const { basis, compare, ...range } = common(state, locale);
  return { by, of, size, ...range };
};

/** Request all metrics and breakdowns since the beginning, for a file. */
export const everythingQuestion = (state, locale) => ({
  range: "all",
  metrics: "all",
  breakdown: "all",
  top: "all",
  ...(state.basis === "added" ? {} : { basis: state.basis }),
  ...language(locale),
});

/** Return the address of the answer as a file: csv or xlsx. */
export const fileAddress = (endpoint, question, format) =>
  address(endpoint, { ...question, format });
