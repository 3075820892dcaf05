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

describe("the summary of a time chart", () => {
  test("has the total of a flow, and the highest interval", () => {
    expect(summary("views")).toBe(
      "Views, Jan 1 – Mar 31, 2026: 60. Highest: February 2026 (30)."
    );
  });

  test("has the last number of a level", () => {
    expect(summary("records")).toBe("Records on Mar 31, 2026: 9.");
  });

  test("has the change", () => {
    expect(summary("views", comparison(40))).toContain(
      "+50% compared with Jan 1 – Mar 31, 2025 (40)."
    );
  });

  test("has the compared number where that is 0, without a percentage", () => {
    expect(summary("views", comparison(0))).toContain(
      "Compared with 0 for Jan 1 – Mar 31, 2025."
    );
  });

  test("has the last number of a running total", () => {
    expect(summary("views", { totals: { views: 20 } }, true)).toBe(
      "Views, total up to Mar 31, 2026: 20."
    );
  });
});

test("the summary of a ranking has the first three values and their shares", () => {
  const cells = ["a", "b", "c", "d"].map((id, index) => ({
    id,
    label: id,
    total: 40 - index * 10,
  }));
  expect(
    rankingSummary({
      label: "subject",
      metric: "Views",
      cells,
      whole: 100,
      unit: "count",
      locale: "en",
    })
  ).toBe("Views by subject: a (40, 40%); b (30, 30%); c (20, 20%).");
});
