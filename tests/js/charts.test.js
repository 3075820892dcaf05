// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { describe, expect, test } from "vitest";
import { cellsOf } from "@js/invenio_stats_dashboard/api/answers";
import { echarts } from "@js/invenio_stats_dashboard/charts/echarts";
import { chartSvg, fileName } from "@js/invenio_stats_dashboard/charts/files";
import { legendRows } from "@js/invenio_stats_dashboard/charts/legend";
import {
  chartType,
  timeChart,
  tipContent,
} from "@js/invenio_stats_dashboard/charts/timeChart";
import { tip } from "@js/invenio_stats_dashboard/charts/tip";
import { chartData } from "@js/invenio_stats_dashboard/widgets/chartData";
import {
  correctionsOf,
  marksOf,
} from "@js/invenio_stats_dashboard/widgets/correctionsOf";
import { answerTo, METRICS } from "./helpers/api";
import { plain } from "./helpers/text";

const data = (query, key = "views", breakdown = null, more = {}) =>
  chartData(answerTo(`/x?metrics=${key}&${query}`, more), {
    metric: { key, ...METRICS[key] },
    breakdown,
    cumulative: query.includes("cumulative"),
    locale: "en",
    name: "Views",
  });

describe("the time chart", () => {
  test("has lines by day and bars by month", () => {
    expect(timeChart(data("range=30d")).series[0].type).toBe("line");
    expect(timeChart(data("range=12mo")).series[0].type).toBe("bar");
  });

  test("has lines for running totals and levels", () => {
    expect(timeChart(data("range=12mo&cumulative=true")).series[0].type).toBe("line");
    expect(timeChart(data("range=12mo", "records")).series[0].type).toBe("line");
  });

  test("has a bar for a single interval", () => {
    const one = { buckets: [{}], interval: "day", kind: "level", cumulative: true };
    expect(chartType(one)).toBe("bar");
  });

  test("has the values of the answer, in the order of its buckets", () => {
    const shown = data("range=30d");
    const option = timeChart(shown);
    expect(option.series[0].data).toEqual(shown.series[0].values);
    expect(option.xAxis.data).toHaveLength(30);
  });

  test("shows the compared period as a dashed line, interval by interval", () => {
    const shown = data("range=30d&compare=previous");
    const compared = timeChart(shown).series[1];
    expect(compared.lineStyle.type).toBe("dashed");
    expect(compared.data).toEqual(shown.compared.values);
  });

  test("stacks the values of a breakdown, each with a pattern, the rest in grey", () => {
    const option = timeChart(
      data("range=12mo&breakdown=subjects&top=7", "views", "subjects")
    );
    expect(option.series).toHaveLength(8);
    expect(new Set(option.series.map((one) => one.stack))).toEqual(new Set(["whole"]));
    expect(option.aria.decal.show).toBe(true);
    expect(option.series[7].name).toBe("Others");
    expect(new Set(option.series.map((one) => one.color)).size).toBe(8);
  });

  test("shows bars of incomplete intervals in a pale colour", () => {
    const [first, second] = timeChart(data("range=12mo")).series[0].data;
    expect(first.itemStyle.opacity).toBeLessThan(1);
    expect(typeof second).toBe("number");
  });

  test("dashes the end of a line that still runs, which is no decline", () => {
    const option = timeChart(data("range=30d"));
    expect(option.series[0].lineStyle.type).toBe("dashed");
    const solid = option.series[option.series.length - 1];
    expect(solid.lineStyle.type).toBe("solid");
    expect(solid.data.slice(0, 29)).toEqual(option.series[0].data.slice(0, 29));
    expect(solid.data[29]).toBe(null);
    const [today, yesterday] = [29, 28].map((dataIndex) =>
      tipContent(data("range=30d"), [{ dataIndex }])
    );
    expect([today.note, yesterday.note]).toEqual(["Still running (partial).", ""]);
  });

  test("has a solid line for complete days, and for levels", () => {
    const over = data("from=2026-10-01&to=2026-10-31");
    const level = data("range=30d", "records");
    [over, level].forEach((shown) => {
      const option = timeChart(shown);
      expect(option.series).toHaveLength(1);
      expect(option.series[0].lineStyle.type).toBe("solid");
    });
  });

  test("is animated on request only", () => {
    expect(timeChart(data("range=30d")).animation).toBe(false);
    expect(timeChart({ ...data("range=30d"), animated: true }).animation).toBe(true);
  });

  test("labels the axis of sizes with units", () => {
    const { axisLabel } = timeChart(data("range=30d", "downloaded_volume")).yAxis;
    expect(axisLabel.formatter(2e9)).toBe("2 GB");
  });

  test("marks the intervals that were corrected later", () => {
    const corrections = [{ scope: "usage", day: "2026-11-12", why: "new events" }];
    const shown = data("range=30d", "views", null, { corrections });
    expect(shown.marks).toEqual([
      { index: 15, text: "Corrected later: Nov 12, 2026 (late events)" },
    ]);
    const marks = timeChart(shown).series[1].data;
    expect(marks.findIndex((value) => value === 0)).toBe(15);
    expect(marks.filter((value) => value !== null)).toHaveLength(1);
  });
});

describe("a legend", () => {
  test("takes the rows that it needs, for which the chart reserves space", () => {
    expect(legendRows(["Dataset", "Software"], 800)).toBe(1);
    expect(legendRows(["Dataset", "Software", "Presentation", "Thesis"], 200)).toBe(3);
    const parts = data("range=12mo&breakdown=subjects&top=7", "views", "subjects");
    const bottom = (width) => timeChart({ ...parts, width }).grid.bottom;
    expect(bottom(300)).toBeGreaterThan(bottom(1200));
  });

  test("distinguishes two values with the same label", () => {
    const answer = {
      series: ["a", "b"].map((id) => ({
        metric: "views",
        breakdown: "subjects",
        id,
        label: "Sea",
        values: [],
        total: 1,
      })),
    };
    expect(cellsOf(answer, "views", "subjects").map(({ label }) => label)).toEqual([
      "Sea (a)",
      "Sea (b)",
    ]);
  });
});

describe("corrections", () => {
  test("are those that affect the metric", () => {
    const answer = {
      corrections: [
        { scope: "usage", day: "2026-11-01" },
        { scope: "records", day: "2026-11-02", last_day: "2026-11-04" },
      ],
    };
    expect(
      correctionsOf(answer, { of: "records" }, "en").map(({ text }) => plain(text))
    ).toEqual(["Nov 2 – 4, 2026"]);
  });

  test("of years are not marked", () => {
    const buckets = [{ start: "2026-11-01", end: "2026-11-30" }];
    const long = { first: "2001-01-01", last: "2026-11-26", text: "x" };
    expect(marksOf(buckets, [long])).toEqual([]);
  });
});

describe("a tip", () => {
  test("has the interval, its numbers and the compared ones", () => {
    const shown = data("range=12mo&compare=previous");
    const { title, rows } = tipContent(shown, [{ dataIndex: 1 }]);
    expect(title).toBe("December 2025");
    expect(rows.map(({ name }) => name)).toEqual(["Views", "December 2024"]);
  });

  test("shows markup in a label as text", () => {
    const node = tip({
      title: "<img src=x onerror=alert(1)>",
      rows: [{ name: "<b>x</b>", value: "1", color: "red" }],
      note: "",
    });
    expect(node.querySelector("img, b")).toBeNull();
    expect(node.textContent).toContain("<b>x</b>");
  });
});

describe("a chart as a file", () => {
  test("is an SVG with title, range and numbers", () => {
    const svg = chartSvg(
      echarts,
      timeChart(data("range=12mo")),
      "Views",
      "Ocean · 2026"
    );
    expect(svg).toMatch(/^<svg/);
    expect(svg).toContain("Ocean · 2026");
    expect(svg).toContain("Dec 25");
  });

  test("has a name that every system accepts", () => {
    expect(fileName(["Océan / Data", "Views: all", "2026-01-01"], "svg")).toBe(
      "océan-data-views-all-2026-01-01.svg"
    );
  });
});
