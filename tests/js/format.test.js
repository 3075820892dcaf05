// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { describe, expect, test } from "vitest";
import { toCsv } from "@js/invenio_stats_dashboard/format/csv";
import {
  addDays,
  countDays,
  formatBucket,
  formatRange,
  formatTick,
  isDay,
  isPartial,
} from "@js/invenio_stats_dashboard/format/dates";
import {
  changeOf,
  formatBytes,
  formatChange,
  formatCompact,
  formatNumber,
  formatShare,
} from "@js/invenio_stats_dashboard/format/numbers";
import { inSentence, singularOf } from "@js/invenio_stats_dashboard/metrics";
import { plain } from "./helpers/text";

describe("numbers", () => {
  test("are grouped as the locale does", () => {
    expect(formatNumber(1234567, "en")).toBe("1,234,567");
    expect(formatNumber(1234567, "de")).toBe("1.234.567");
    expect(plain(formatNumber(1234567, "fr"))).toBe("1 234 567");
  });

  test("are compact only when they are long", () => {
    expect(formatCompact(9999, "en")).toBe("9,999");
    expect(formatCompact(12345, "en")).toBe("12.3K");
    expect(plain(formatCompact(2300000, "de"))).toBe("2,3 Mio.");
  });

  test("that are unknown are a dash, and zero is zero", () => {
    expect(formatNumber(null, "en")).toBe("–");
    expect(formatNumber(undefined, "en")).toBe("–");
    expect(formatNumber(0, "en")).toBe("0");
  });

  test("are in English for an invalid locale", () => {
    expect(formatNumber(1234, "no such locale!")).toBe("1,234");
    expect(formatNumber(1234, "pt_BR")).toBe("1.234");
  });
});

describe("sizes", () => {
  test("are decimal, with the units of the locale", () => {
    expect(formatBytes(0, "en")).toBe("0 bytes");
    expect(formatBytes(999, "en")).toBe("999 bytes");
    expect(formatBytes(1500, "en")).toBe("1.5 kB");
    expect(plain(formatBytes(2.4e12, "de"))).toBe("2,4 TB");
    expect(plain(formatBytes(2.4e9, "fr"))).toBe("2,4 Go");
  });

  test("are less than 1,000 of a unit", () => {
    expect(formatBytes(999999, "en")).toBe("1 MB");
    expect(formatBytes(5e17, "en")).toBe("500 PB");
  });
});

describe("changes", () => {
  test("have a sign", () => {
    expect(formatChange(0.123, "en")).toBe("+12%");
    expect(formatChange(-0.05, "en")).toBe("-5%");
    expect(formatChange(0, "en")).toBe("0%");
  });

  test("from zero are unknown", () => {
    expect(changeOf(5, 0)).toBeNull();
    expect(changeOf(5, null)).toBeNull();
    expect(formatChange(null, "en")).toBeNull();
    expect(changeOf(15, 10)).toBe(0.5);
  });

  test("and shares of zero are a dash", () => {
    expect(formatShare(1, 0, "en")).toBe("–");
    expect(formatShare(1, 8, "en")).toBe("12.5%");
  });
});

describe("days", () => {
  test("are UTC days in every time zone", () => {
    expect(addDays("2026-03-28", 2)).toBe("2026-03-30");
    expect(addDays("2024-02-28", 1)).toBe("2024-02-29");
    expect(countDays("2026-01-01", "2026-12-31")).toBe(365);
    expect(formatBucket({ start: "2026-03-29", end: "2026-03-29" }, "day", "en")).toBe(
      "Sun, Mar 29, 2026"
    );
  });

  test("are valid if the calendar has them", () => {
    expect(isDay("2026-02-29")).toBe(false);
    expect(isDay("2024-02-29")).toBe(true);
    expect(isDay("2024-2-9")).toBe(false);
    expect(isDay(null)).toBe(false);
  });

  test("form ranges that do not repeat the month or year", () => {
    expect(plain(formatRange("2026-03-03", "2026-03-09", "en"))).toBe(
      "Mar 3 – 9, 2026"
    );
    expect(plain(formatRange("2026-03-03", "2026-03-09", "de"))).toBe(
      "3.–9. März 2026"
    );
    expect(formatRange("2026-03-03", "2026-03-03", "en")).toBe("Mar 3, 2026");
  });
});

describe("intervals", () => {
  const month = { start: "2026-02-01", end: "2026-02-28" };

  test("have labels that suit their length", () => {
    expect(formatBucket(month, "month", "en")).toBe("February 2026");
    expect(formatBucket(month, "month", "de")).toBe("Februar 2026");
    expect(formatBucket({ start: "2026-01-01", end: "2026-12-31" }, "year", "en")).toBe(
      "2026"
    );
    expect(formatTick(month, "month", "en")).toBe("Feb 26");
  });

  test("that are incomplete are labelled with their days", () => {
    expect(isPartial(month, "month")).toBe(false);
    expect(isPartial({ start: "2026-02-03", end: "2026-02-28" }, "month")).toBe(true);
    expect(isPartial({ start: "2026-04-01", end: "2026-06-30" }, "quarter")).toBe(
      false
    );
    expect(isPartial({ start: "2026-04-01", end: "2026-05-31" }, "quarter")).toBe(true);
    expect(isPartial({ start: "2026-11-23", end: "2026-11-29" }, "week")).toBe(false);
    expect(isPartial({ start: "2026-11-23", end: "2026-11-26" }, "week")).toBe(true);
    expect(isPartial({ start: "2026-11-26", end: "2026-11-26" }, "day")).toBe(false);
    expect(
      plain(formatBucket({ start: "2026-11-01", end: "2026-11-26" }, "month", "en"))
    ).toBe("Nov 1 – 26, 2026");
  });
});

describe("labels", () => {
  test("are not capitalised within a sentence, except in German", () => {
    expect(inSentence("Resource type", "en")).toBe("resource type");
    expect(inSentence("Éditeur", "fr")).toBe("éditeur");
    expect(inSentence("Ressourcentyp", "de-AT")).toBe("Ressourcentyp");
    expect(inSentence("DOI prefix", "en")).toBe("DOI prefix");
  });

  test("of a breakdown name its values if there is no label of one value", () => {
    expect(singularOf({ label: "Countries", singular: "Country" })).toBe("Country");
    expect(singularOf({ label: "Moods" })).toBe("Moods");
  });
});

describe("tables as CSV", () => {
  test("are quoted where CSV requires it", () => {
    expect(toCsv([["a,b", 'say "x"', "two\nlines", 3, null]])).toBe(
      '"a,b","say ""x""","two\nlines",3,\r\n'
    );
  });

  test("contain no formulas", () => {
    expect(toCsv([["=1+1", "+x", "-x", "@x", -5]])).toBe("'=1+1,'+x,'-x,'@x,-5\r\n");
    expect(toCsv([["", "5-", "x=1"]])).toBe(",5-,x=1\r\n");
    ["=", "+", "-", "@", "\t", "\uff1d", "\uff0b", "\uff0d", "\uff20"].forEach(
      (start) => expect(toCsv([[`${start}1`]])).toBe(`'${start}1\r\n`)
    );
    ["\r", "\n"].forEach((start) =>
      expect(toCsv([[`${start}1`]])).toBe(`"'${start}1"\r\n`)
    );
  });
});
