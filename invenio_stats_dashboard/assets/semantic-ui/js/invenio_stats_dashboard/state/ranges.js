// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** The ranges that can be chosen by name. */

import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { addDays, countDays } from "../format/dates";

/** The name of a range with two dates of its own. */
export const CUSTOM = "custom";

/** Tell whether the API knows a range by this name; all of them end today. */
export const isNamedRange = (name) =>
  /^([1-9]\d{0,4}(d|w|mo|y)|[mqy]td|all)$/.test(name || "");

/** Return the ranges that are offered, value and text; one that is shown is among them. */
export const rangeChoices = (shown) => {
  const choices = offered();
  return choices.some(({ value }) => value === shown)
    ? choices
    : [{ value: shown, text: shown }, ...choices];
};

const offered = () => [
  { value: "7d", text: i18next.t("Last 7 days") },
  { value: "30d", text: i18next.t("Last 30 days") },
  { value: "90d", text: i18next.t("Last 90 days") },
  { value: "12mo", text: i18next.t("Last 12 months") },
  { value: "ytd", text: i18next.t("This year") },
  { value: "lastyear", text: i18next.t("Last year") },
  { value: "all", text: i18next.t("All time") },
  { value: CUSTOM, text: i18next.t("Custom range") },
];

/** Return the two days of last year, by today's day. */
export const lastYear = (today) => {
  const year = Number(today.slice(0, 4)) - 1;
  return { from: `${year}-01-01`, to: `${year}-12-31` };
};

/** Tell whether a range is a whole calendar year, before this one. */
export const isLastYear = ({ range, from, to }, today) => {
  const year = lastYear(today);
  return range === CUSTOM && from === year.from && to === year.to;
};

/**
 * Return the range of the same length just before, or just after.
 *
 * Whole calendar months and years stay whole. Null when it would end after today.
 */
export const shiftRange = ({ from, to }, steps, today) => {
  const whole = wholeMonths(from, to);
  let shifted;
  if (whole) {
    const start = addMonths(from, steps * whole);
    shifted = { from: start, to: addDays(addMonths(start, whole), -1) };
  } else {
    const days = countDays(from, to) * steps;
    shifted = { from: addDays(from, days), to: addDays(to, days) };
  }
  return shifted.to > today ? null : shifted;
};

/** Return how many calendar months a range is exactly; 0 when it is none. */
const wholeMonths = (from, to) => {
  const next = addDays(to, 1);
  if (!from.endsWith("-01") || !next.endsWith("-01")) {
    return 0;
  }
  return (
    (Number(next.slice(0, 4)) - Number(from.slice(0, 4))) * 12 +
    Number(next.slice(5, 7)) -
    Number(from.slice(5, 7))
  );
};

const addMonths = (first, months) => {
  const index = Number(first.slice(0, 4)) * 12 + Number(first.slice(5, 7)) - 1 + months;
  const year = String(Math.floor(index / 12)).padStart(4, "0");
  return `${year}-${String((index % 12) + 1).padStart(2, "0")}-01`;
};
