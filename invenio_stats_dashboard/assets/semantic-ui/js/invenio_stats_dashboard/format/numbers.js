// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Format numbers, sizes and changes in a locale. */

const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];
const formats = new Map();

/** Return a cached `Intl.NumberFormat`. */
const numberFormat = (locale, options) => {
  const key = locale + JSON.stringify(options);
  if (!formats.has(key)) {
    formats.set(key, new Intl.NumberFormat(tag(locale), options));
  }
  return formats.get(key);
};

/** Return a BCP 47 tag: `pt-BR` for `pt_BR`; `en` if the locale is invalid. */
export const tag = (locale) => {
  const name = String(locale || "en").replace("_", "-");
  try {
    return Intl.getCanonicalLocales(name)[0];
  } catch (error) {
    return "en";
  }
};

/** Return a number with all digits; a dash if it is unknown. */
export const formatNumber = (value, locale) =>
  isNumber(value) ? numberFormat(locale, {}).format(value) : "–";

/** Return a short number: 12.3K; below 10,000 with all digits. */
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
  // a number that would be rounded to 1000 is shown in the next unit
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

/** Return a share of a whole: 12.5%. */
export const formatShare = (part, whole, locale) =>
  isNumber(part) && isNumber(whole) && whole !== 0
    ? numberFormat(locale, { style: "percent", maximumFractionDigits: 1 }).format(
        part / whole
      )
    : "–";

/** Return a change with its sign: +12%; null if it is unknown. */
export const formatChange = (ratio, locale) =>
  isNumber(ratio)
    ? numberFormat(locale, {
        style: "percent",
        maximumFractionDigits: Math.abs(ratio) < 0.1 ? 1 : 0,
        signDisplay: "exceptZero",
      }).format(ratio)
    : null;

/** Return the change between two numbers, as a ratio; null if the earlier one is 0. */
export const changeOf = (now, before) =>
  isNumber(now) && isNumber(before) && before !== 0 ? (now - before) / before : null;

/** Return a number in the unit of its metric, with all digits. */
export const formatValue = (value, unit, locale) =>
  unit === "bytes" ? formatBytes(value, locale) : formatNumber(value, locale);

/** Return a short number in the unit of its metric. */
export const formatShort = (value, unit, locale) =>
  unit === "bytes" ? formatBytes(value, locale) : formatCompact(value, locale);

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
