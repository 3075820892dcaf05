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
  test("fills in what a widget does not say", () => {
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

  test("shares a row among the widgets without a width", () => {
    const [row] = normalise([[{ kind: "chart" }, { kind: "figures" }]]);
    expect(row.map(({ width }) => width)).toEqual([8, 8]);
  });

  test("counts visits, and not records, where records have no such breakdown", () => {
    const [[countries], [subjects]] = normalise([
      [{ kind: "breakdown", breakdown: "countries" }],
      [{ kind: "breakdown", breakdown: "subjects" }],
    ]);
    expect(countries.metrics).not.toContain("records");
    expect(subjects.metrics).toContain("records");
  });

  test("leaves out what the page does not know", () => {
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

  test("gives two widgets of a kind names of their own", () => {
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

  test("are of the instance where there is no community", () => {
    expect(readSettings(dataset([], { community: "null" })).community).toBeNull();
    expect(readSettings(dataset([], { community: "" })).community).toBeNull();
  });

  test("take metrics as a list as well", () => {
    const metrics = JSON.stringify([{ key: "views", label: "Views" }]);
    expect(readSettings(dataset([], { metrics })).metrics.views.label).toBe("Views");
  });
});

test("a small line passes over what is not known", () => {
  expect(linePoints([0, null, 10], 10, 100, 24)).toBe("0.0,23.0 100.0,1.0");
  expect(linePoints([5], 0, 100, 24)).toBe("50.0,23.0");
});
