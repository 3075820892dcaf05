// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Numbers, sizes and changes in words of a locale. */

const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];
const formats = new Map();

/** Return a kept `Intl.NumberFormat`; an unknown locale is English. */
const numberFormat = (locale, options) => {
  const key = locale + JSON.stringify(options);
  if (!formats.has(key)) {
    formats.set(key, new Intl.NumberFormat(tag(locale), options));
  }
  return formats.get(key);
};

/** Return a locale as the browser names it: `pt_BR` is `pt-BR`. */
export const tag = (locale) => {
  const name = String(locale || "en").replace("_", "-");
  try {
    return Intl.getCanonicalLocales(name)[0];
  } catch (error) {
    return "en";
  }
};

/** Return a number in full; what is not known is a dash. */
export const formatNumber = (value, locale) =>
  isNumber(value) ? numberFormat(locale, {}).format(value) : "–";

/** Return a number of three digits or so: 12.3K. */
export const formatCompact = (value, locale) => {
  if (!isNumber(value)) {
    return "–";
  }
  if (Math.abs(value) < 10000) {
    return formatNumber(value, locale);
  }
  return numberFormat(locale, {
    notation: "compact",
    maximumFractionDigits: 1,
  }).format(value);
};

/** Return a number of bytes in decimal units: 1.5 GB. */
export const formatBytes = (value, locale) => {
  if (!isNumber(value)) {
    return "–";
  }
  let power = 0;
  let number = value;
  // what would be rounded to 1000 is one of the next unit
  while (Math.abs(number) >= 999.95 && power < BYTE_UNITS.length - 1) {
    number /= 1000;
    power += 1;
  }
  return numberFormat(locale, {
    style: "unit",
    unit: BYTE_UNITS[power],
    unitDisplay: power ? "short" : "long",
    maximumFractionDigits: power ? 1 : 0,
  }).format(number);
};

/** Return a part of a whole: 12.5%. */
export const formatShare = (part, whole, locale) =>
  isNumber(part) && isNumber(whole) && whole !== 0
    ? numberFormat(locale, { style: "percent", maximumFractionDigits: 1 }).format(
        part / whole
      )
    : "–";

/** Return a change with its sign: +12%; one that cannot be told is null. */
export const formatChange = (ratio, locale) =>
  isNumber(ratio)
    ? numberFormat(locale, {
        style: "percent",
        maximumFractionDigits: Math.abs(ratio) < 0.1 ? 1 : 0,
        signDisplay: "exceptZero",
      }).format(ratio)
    : null;

/** Return the change from one number to another, as a ratio; null from nothing. */
export const changeOf = (now, before) =>
  isNumber(now) && isNumber(before) && before !== 0 ? (now - before) / before : null;

/** Return a value in the unit of its metric, in full. */
export const formatValue = (value, unit, locale) =>
  unit === "bytes" ? formatBytes(value, locale) : formatNumber(value, locale);

/** Return a value in the unit of its metric, short. */
export const formatShort = (value, unit, locale) =>
  unit === "bytes" ? formatBytes(value, locale) : formatCompact(value, locale);

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
