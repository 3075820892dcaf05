// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { describe, expect, test } from "vitest";
import { normaliseLayout } from "@js/invenio_stats_dashboard/layout/normalise";
import { readSettings } from "@js/invenio_stats_dashboard/settings";
import { linePoints } from "@js/invenio_stats_dashboard/components/Sparkline";
import { BREAKDOWNS, dataset, LAYOUT, METRICS } from "./helpers/api";

const normalise = (rows, locale = "en") =>
  normaliseLayout(
    { tabs: [{ key: "a", label: "A", rows }] },
    METRICS,
    BREAKDOWNS,
    locale
  )[0].rows;

describe("a layout", () => {
  test("gets defaults for missing options", () => {
    const [[chart]] = normalise([[{ kind: "chart" }]]);
    expect(chart).toMatchObject({
      width: 16,
      top: 7,
      breakdown: null,
      cumulative: false,
    });
    expect(chart.metrics[0]).toBe("views");
    expect(chart.breakdowns).toEqual(Object.keys(BREAKDOWNS));
  });

  test("divides a row among the widgets without a width", () => {
    const [row] = normalise([[{ kind: "chart" }, { kind: "figures" }]]);
    expect(row.map(({ width }) => width)).toEqual([8, 8]);
  });

  test("has usage metrics for a breakdown of events", () => {
    const [[countries], [subjects]] = normalise([
      [{ kind: "breakdown", breakdown: "countries" }],
      [{ kind: "breakdown", breakdown: "subjects" }],
    ]);
    expect(countries.metrics).not.toContain("records");
    expect(subjects.metrics).toContain("records");
  });

  test("omits what the page does not know", () => {
    const rows = normalise([
      [{ kind: "weather" }],
      [
        { kind: "breakdown", breakdown: "weather" },
        { kind: "figures", metrics: ["rain", "views"] },
      ],
    ]);
    expect(rows).toHaveLength(1);
    expect(rows[0][0].metrics).toEqual(["views"]);
  });

  test("gives two widgets of a kind different ids", () => {
    const ids = normalise([
      [
        { kind: "breakdown", breakdown: "subjects" },
        { kind: "breakdown", breakdown: "subjects" },
      ],
    ])[0].map(({ id }) => id);
    expect(ids).toEqual(["subjects", "subjects-2"]);
  });

  test("has texts in the language of the page", () => {
    const text = { en: "Hello", de: "Hallo" };
    expect(normalise([[{ kind: "text", text }]], "de-AT")[0][0].text).toBe("Hallo");
    expect(normalise([[{ kind: "text", text }]], "it")[0][0].text).toBe("Hello");
  });
});

describe("the settings", () => {
  test("are read from the data attributes", () => {
    const settings = readSettings(dataset(LAYOUT, { locale: "pt_BR" }));
    expect(settings).toMatchObject({
      endpoint: "/api/stats-dashboard/communities/ocean",
      title: "Ocean data",
      locale: "pt-BR",
      canManage: true,
    });
    expect(settings.metrics.views).toMatchObject({ key: "views", label: "Views" });
  });

  test("without a community are those of the instance", () => {
    expect(readSettings(dataset([], { community: "null" })).community).toBeNull();
    expect(readSettings(dataset([], { community: "" })).community).toBeNull();
  });

  test("take metrics as a list as well", () => {
    const metrics = JSON.stringify([{ key: "views", label: "Views" }]);
    expect(readSettings(dataset([], { metrics })).metrics.views.label).toBe("Views");
  });
});

test("a small line chart skips unknown values", () => {
  expect(linePoints([0, null, 10], 10, 100, 24)).toBe("0.0,23.0 100.0,1.0");
  expect(linePoints([5], 0, 100, 24)).toBe("50.0,23.0");
});
