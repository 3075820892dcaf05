// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { describe, expect, test } from "vitest";
import {
  rankingSummary,
  timeSummary,
} from "@js/invenio_stats_dashboard/format/summaries";
import { chartData } from "@js/invenio_stats_dashboard/widgets/chartData";
import { METRICS } from "./helpers/api";
import { plain } from "./helpers/text";

const answer = (more = {}) => ({
  from: "2026-01-01",
  to: "2026-03-31",
  interval: "month",
  buckets: [
    { start: "2026-01-01", end: "2026-01-31" },
    { start: "2026-02-01", end: "2026-02-28" },
    { start: "2026-03-01", end: "2026-03-31" },
  ],
  totals: { views: 60, records: 9 },
  series: [
    { metric: "views", breakdown: null, id: null, values: [10, 30, 20], total: 60 },
    { metric: "records", breakdown: null, id: null, values: [7, 8, 9], total: 9 },
  ],
  ...more,
});

const summary = (key, more, cumulative = false) =>
  plain(
    timeSummary(
      chartData(answer(more), {
        metric: { key, ...METRICS[key] },
        breakdown: null,
        cumulative,
        locale: "en",
        name: key,
      })
    )
  );

const comparison = (views) => ({
  comparison: {
    from: "2025-01-01",
    to: "2025-03-31",
    buckets: [],
    totals: { views },
    series: [{ metric: "views", breakdown: null, id: null, values: [], total: views }],
  },
});

describe("a time chart in a sentence", () => {
  test("tells the sum of what adds up, and when most was", () => {
    expect(summary("views")).toBe(
      "Views, Jan 1 – Mar 31, 2026: 60. Most: February 2026 (30)."
    );
  });

  test("tells the end of what is there", () => {
    expect(summary("records")).toBe("Records on Mar 31, 2026: 9.");
  });

  test("tells the change", () => {
    expect(summary("views", comparison(40))).toContain(
      "+50% compared with Jan 1 – Mar 31, 2025 (40)."
    );
  });

  test("tells what it is compared with where there is no change from nothing", () => {
    expect(summary("views", comparison(0))).toContain(
      "0 in Jan 1 – Mar 31, 2025, which it is compared with."
    );
  });

  test("tells the last of a running total", () => {
    expect(summary("views", { totals: { views: 20 } }, true)).toBe(
      "Views, in total until Mar 31, 2026: 20."
    );
  });
});

test("a ranking in a sentence tells the first three and their shares", () => {
  const cells = ["a", "b", "c", "d"].map((id, index) => ({
    id,
    label: id,
    total: 40 - index * 10,
  }));
  expect(
    rankingSummary({
      label: "Subjects",
      metric: "Views",
      cells,
      whole: 100,
      unit: "count",
      locale: "en",
    })
  ).toBe("Views by Subjects: a (40, 40%); b (30, 30%); c (20, 20%).");
});
