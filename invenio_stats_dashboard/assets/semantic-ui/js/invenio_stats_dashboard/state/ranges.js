// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Periods: named ones, custom ones, and the previous and the next period. */

import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { addDays, countDays } from "../format/dates";

/** The name of a period with its own first and last day. */
export const CUSTOM = "custom";

/** Return whether the API accepts this name of a period; all of these end today. */
export const isNamedRange = (name) =>
  /^([1-9]\d{0,4}(d|w|mo|y)|[mqy]td|all)$/.test(name || "");

/** Return the periods to choose from, value and text; the shown one is included. */
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
  { value: CUSTOM, text: i18next.t("Custom period") },
];

/** Return the names of the intervals, by key. */
export const intervalNames = () => ({
  day: i18next.t("Day"),
  week: i18next.t("Week"),
  month: i18next.t("Month"),
  quarter: i18next.t("Quarter"),
  year: i18next.t("Year"),
});

/** Return the first and the last day of the calendar year before today's. */
export const lastYear = (today) => {
  const year = Number(today.slice(0, 4)) - 1;
  return { from: `${year}-01-01`, to: `${year}-12-31` };
};

/** Return whether a period is the calendar year before today's. */
export const isLastYear = ({ range, from, to }, today) => {
  const year = lastYear(today);
  return range === CUSTOM && from === year.from && to === year.to;
};

/**
 * Return the period of the same length a number of steps later, or earlier.
 *
 * A period of whole calendar months moves by whole months. The result is null if the
 * period would end after today.
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

/** Return the number of calendar months of a period; 0 if they are not whole. */
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
