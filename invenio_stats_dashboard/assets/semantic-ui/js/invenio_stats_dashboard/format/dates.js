// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Calculate with UTC days; format days, intervals and moments in a locale. */

import { tag } from "./numbers";

const DAY = 86400000;

/** Return the start of a day, `YYYY-MM-DD`, as a Date. */
export const parseDay = (day) => new Date(`${day}T00:00:00Z`);

/** Return the day of a Date, `YYYY-MM-DD`. */
export const toDay = (moment) => moment.toISOString().slice(0, 10);

/** Return the day that is a number of days later. */
export const addDays = (day, days) =>
  toDay(new Date(parseDay(day).getTime() + days * DAY));

/** Return the number of days in a range, both ends included. */
export const countDays = (from, to) =>
  Math.round((parseDay(to) - parseDay(from)) / DAY) + 1;

/** Return whether a text is a valid day, `YYYY-MM-DD`. */
export const isDay = (text) => {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text || "")) {
    return false;
  }
  const moment = parseDay(text);
  return !Number.isNaN(moment.getTime()) && toDay(moment) === text;
};

const format = (day, locale, options) =>
  new Intl.DateTimeFormat(tag(locale), { timeZone: "UTC", ...options }).format(
    typeof day === "string" ? parseDay(day) : day
  );

/** Return a day: 3 Mar 2026. */
export const formatDay = (day, locale) =>
  format(day, locale, { day: "numeric", month: "short", year: "numeric" });

/** Return a range of days: 3 – 9 Mar 2026. */
export const formatRange = (from, to, locale) => {
  if (from === to) {
    return formatDay(from, locale);
  }
  return new Intl.DateTimeFormat(tag(locale), {
    timeZone: "UTC",
    day: "numeric",
    month: "short",
    year: "numeric",
  }).formatRange(parseDay(from), parseDay(to));
};

const MONTHS = { month: 1, quarter: 3, year: 12 };

/** Return whether an interval is incomplete: the period begins or ends within it. */
export const isPartial = ({ start, end }, interval) => {
  if (interval === "day") {
    return false;
  }
  const next = parseDay(addDays(end, 1));
  if (interval === "week") {
    return parseDay(start).getUTCDay() !== 1 || next.getUTCDay() !== 1;
  }
  const begins = (moment) =>
    moment.getUTCDate() === 1 && moment.getUTCMonth() % MONTHS[interval] === 0;
  return !begins(parseDay(start)) || !begins(next);
};

/** Return the label of an interval in tables and tips; its days if it is incomplete. */
export const formatBucket = (bucket, interval, locale) => {
  const { start, end } = bucket;
  if (isPartial(bucket, interval)) {
    return formatRange(start, end, locale);
  }
  switch (interval) {
    case "day":
      return format(start, locale, {
        weekday: "short",
        day: "numeric",
        month: "short",
        year: "numeric",
      });
    case "month":
      return format(start, locale, { month: "long", year: "numeric" });
    case "quarter":
      return formatRange(start, end, locale);
    case "year":
      return start.slice(0, 4);
    default:
      return formatRange(start, end, locale);
  }
};

/** Return the label of an interval on an axis. */
export const formatTick = (bucket, interval, locale, withYear = false) => {
  const { start } = bucket;
  switch (interval) {
    case "year":
      return start.slice(0, 4);
    case "month":
    case "quarter":
      return format(start, locale, { month: "short", year: "2-digit" });
    default:
      return format(
        start,
        locale,
        withYear
          ? { day: "numeric", month: "short", year: "2-digit" }
          : { day: "numeric", month: "short" }
      );
  }
};

/** Return an ISO 8601 moment in the user's time zone, with the name of the zone. */
export const formatMoment = (moment, locale) =>
  new Intl.DateTimeFormat(tag(locale), {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  }).format(new Date(moment));
