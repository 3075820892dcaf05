// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import {
  cleanup,
  fireEvent,
  render,
  screen,
  waitFor,
  within,
} from "@testing-library/react";
import React from "react";
import { describe, expect, test, vi } from "vitest";
import { createClient } from "@js/invenio_stats_dashboard/api/client";
import { Dashboard } from "@js/invenio_stats_dashboard/Dashboard";
import { readSettings } from "@js/invenio_stats_dashboard/settings";
import { dataset, fakeFetch, LAYOUT } from "./helpers/api";
import { plain } from "./helpers/text";

const show = async ({
  layout = LAYOUT,
  address = "/",
  change,
  overridden,
  more,
} = {}) => {
  window.history.replaceState(null, "", address);
  const { fetch, requested } = fakeFetch(change);
  render(
    <Dashboard
      settings={readSettings(dataset(layout, more))}
      client={createClient({ fetch })}
      overridden={overridden}
    />
  );
  return { requested };
};

const json = (status, body = {}) => new Response(JSON.stringify(body), { status });
const parametersOf = (url) => Object.fromEntries(new URL(url, "http://x").searchParams);
const last = (list) => parametersOf(list[list.length - 1]);

describe("the page", () => {
  test("sends one request for figures and chart, and one for each other widget", async () => {
    const { requested } = await show();
    await screen.findAllByText("Sediment cores");
    expect(requested).toHaveLength(5);
    expect(new Set(requested).size).toBe(5);
  });

  test("shows figures with their changes in words", async () => {
    await show();
    const figures = await screen.findByLabelText("Key figures");
    const views = (await within(figures).findByText("Views")).closest("li");
    expect(views.textContent).toMatch(/Views.*12K.*(increase|decrease):.*%from/);
  });

  test("summarises the chart in a sentence", async () => {
    await show();
    const sentence = await screen.findByText(/^Views, Oct 28 – Nov 26, 2026: /);
    expect(sentence.textContent).toContain("compared with");
  });

  test("says how fresh the numbers are", async () => {
    await show();
    expect((await screen.findByText(/^Data as of Nov 26, 2026/)).textContent).toContain(
      "UTC"
    );
  });

  test("says whether robots are counted", async () => {
    await show();
    expect(await screen.findByText(/Known robots are not counted\.$/)).toBeTruthy();
    cleanup();
    const robots = "Known robots are treated as on the record pages.";
    await show({ change: (answer) => ({ ...answer, robots }) });
    expect(
      await screen.findByText(/Known robots are treated as on the record pages\.$/)
    ).toBeTruthy();
  });

  test("says that they are late, and why", async () => {
    await show({ change: (answer) => ({ ...answer, late: "An update is running." }) });
    expect(await screen.findByText("An update is running.")).toBeTruthy();
  });
});

describe("a control", () => {
  test("of the period changes all widgets and the address", async () => {
    const { requested } = await show();
    await screen.findAllByText("Sediment cores");
    const before = requested.length;
    fireEvent.change(screen.getByLabelText("Period"), { target: { value: "12mo" } });
    await waitFor(() => expect(requested.length).toBe(before + 5));
    requested
      .slice(before)
      .forEach((url) => expect(parametersOf(url).range).toBe("12mo"));
    expect(window.location.search).toBe("?range=12mo");
  });

  test("of a custom period takes two days", async () => {
    const { requested } = await show();
    await screen.findAllByText("Sediment cores");
    fireEvent.change(screen.getByLabelText("Period"), { target: { value: "custom" } });
    fireEvent.change(screen.getByLabelText("From"), {
      target: { value: "2026-03-05" },
    });
    fireEvent.change(screen.getByLabelText("to"), { target: { value: "2026-03-01" } });
    fireEvent.click(screen.getByText("Apply"));
    expect(screen.getByText("The first day is after the last.")).toBeTruthy();
    fireEvent.change(screen.getByLabelText("to"), { target: { value: "2026-03-09" } });
    fireEvent.click(screen.getByText("Apply"));
    await waitFor(() =>
      expect(window.location.search).toBe("?from=2026-03-05&to=2026-03-09")
    );
    expect(last(requested)).toMatchObject({ from: "2026-03-05", to: "2026-03-09" });
  });

  test("of the comparison requests another one, or none", async () => {
    const { requested } = await show();
    await screen.findAllByText("Sediment cores");
    fireEvent.change(screen.getByLabelText("Compare with"), {
      target: { value: "year" },
    });
    await waitFor(() => expect(last(requested).compare).toBe("year"));
    fireEvent.change(screen.getByLabelText("Compare with"), {
      target: { value: "none" },
    });
    await waitFor(() => expect(last(requested).compare).toBeUndefined());
  });

  test("of the chart selects a breakdown, and running totals", async () => {
    const { requested } = await show();
    await screen.findAllByText("Sediment cores");
    fireEvent.change(screen.getByLabelText("Breakdown"), {
      target: { value: "subjects" },
    });
    await waitFor(() => expect(last(requested).breakdown).toBe("subjects"));
    fireEvent.change(screen.getByLabelText("Values"), {
      target: { value: "cumulative" },
    });
    await waitFor(() => expect(last(requested).cumulative).toBe("true"));
    expect(window.location.search).toBe("?breakdown=subjects&cumulative=true");
  });

  test("is hidden for a metric without breakdowns or running totals", async () => {
    await show({ address: "/?metric=uploaders" });
    await screen.findByText(/^Uploaders on /);
    expect(screen.queryByLabelText("Breakdown")).toBeNull();
    expect(screen.queryByLabelText("Values")).toBeNull();
  });

  test("offers no breakdown of events for records", async () => {
    await show({ address: "/?metric=records" });
    await screen.findByText(/^Records on /);
    const offered = [...screen.getByLabelText("Breakdown").options].map(
      ({ value }) => value
    );
    expect(offered).toContain("subjects");
    expect(offered).not.toContain("countries");
  });

  test("of a ranking shows another metric, and stores it in the address", async () => {
    const { requested } = await show();
    await screen.findAllByText("Sediment cores");
    fireEvent.change(screen.getByLabelText("Metric: Subjects"), {
      target: { value: "downloads" },
    });
    await waitFor(() => expect(last(requested).metrics).toBe("downloads"));
    expect(window.location.search).toBe("?subjects.metric=downloads");
  });

  test("shows all rows of a ranking", async () => {
    const { requested } = await show();
    fireEvent.click(await screen.findByText("Show all 12"));
    await waitFor(() => expect(last(requested).top).toBe("100"));
    expect(await screen.findByText("Show fewer")).toBeTruthy();
  });
});

test("a request that no component waits for is aborted", async () => {
  const signals = {};
  const fetch = (url, { signal }) => {
    signals[url] = signal;
    return new Promise(() => {});
  };
  render(
    <Dashboard
      settings={readSettings(dataset(LAYOUT))}
      client={createClient({ fetch })}
    />
  );
  const before = Object.keys(signals);
  fireEvent.change(screen.getByLabelText("Period"), { target: { value: "12mo" } });
  await waitFor(() => expect(Object.keys(signals)).toHaveLength(2 * before.length));
  Object.entries(signals).forEach(([url, signal]) =>
    expect(signal.aborted, url).toBe(before.includes(url))
  );
});

describe("a figure", () => {
  test("that is chosen is shown in the chart, without another request", async () => {
    const { requested } = await show();
    await screen.findAllByText("Sediment cores");
    const before = requested.length;
    fireEvent.click(screen.getByRole("button", { name: "Downloads" }));
    expect(await screen.findByText(/^Downloads, Oct 28/)).toBeTruthy();
    expect(requested.length).toBe(before);
    expect(
      screen.getByRole("button", { name: "Downloads" }).getAttribute("aria-pressed")
    ).toBe("true");
  });
});

describe("a chart", () => {
  test("can be shown as a table", async () => {
    await show();
    await screen.findByText(/^Views, Oct 28/);
    fireEvent.click(screen.getByRole("button", { name: "Table" }));
    const table = screen.getByRole("table", { name: "Views" });
    expect(within(table).getAllByRole("row")).toHaveLength(32);
    expect(
      within(table).getByRole("rowheader", { name: "Thu, Nov 26, 2026" })
    ).toBeTruthy();
  });

  test("is read with the arrow keys", async () => {
    await show();
    await screen.findByText(/^Views, Oct 28/);
    const chart = screen.getByRole("application");
    chart.focus();
    fireEvent.keyDown(chart, { key: "End" });
    const status = () => chart.parentElement.querySelector("[role=status]").textContent;
    expect(status()).toMatch(
      /^Thu, Nov 26, 2026: Views [\d,]+, Tue, Oct 27, 2026 [\d,]+\.$/
    );
    fireEvent.keyDown(chart, { key: "ArrowLeft" });
    expect(status()).toMatch(/^Wed, Nov 25, 2026/);
    fireEvent.keyDown(chart, { key: "Escape" });
    expect(status()).toBe("");
  });
});

describe("a file", () => {
  test("of a widget has the parameters of the widget's request", async () => {
    const { requested } = await show();
    await screen.findAllByText("Sediment cores");
    fireEvent.click(screen.getByLabelText("Download: Views by subject"));
    const { format, ...question } = parametersOf(screen.getByText("Table (CSV)").href);
    expect(format).toBe("csv");
    expect(requested.map(parametersOf)).toContainEqual(question);
  });

  test("of all data has all metrics and breakdowns since the beginning", async () => {
    await show();
    await screen.findAllByText("Sediment cores");
    fireEvent.click(screen.getByText("Download"));
    expect(
      parametersOf(screen.getByText("All data since the beginning (Excel)").href)
    ).toEqual({
      metrics: "all",
      breakdown: "all",
      top: "all",
      range: "all",
      lang: "en",
      format: "xlsx",
    });
  });

  test("list closes with Escape, which returns the focus", async () => {
    await show();
    await screen.findAllByText("Sediment cores");
    const button = screen.getByText("Download").closest("button");
    fireEvent.click(button);
    fireEvent.keyDown(screen.getByText("Print or save as PDF"), { key: "Escape" });
    expect(screen.queryByText("Print or save as PDF")).toBeNull();
    expect(document.activeElement).toBe(button);
  });
});

describe("without numbers", () => {
  const nothing = (answer) => ({
    ...answer,
    totals: {},
    records: [],
    rows: [],
    series: (answer.series || []).map((one) => ({ ...one, total: 0, values: [0] })),
  });

  test("in the period, the page says for which period data is available", async () => {
    await show({ change: nothing });
    expect(
      (await screen.findAllByText("No views from Oct 28, 2026 to Nov 26, 2026.")).length
    ).toBeGreaterThan(2);
    expect(
      screen.getAllByText(/Data is available for Aug 12, 2020/).length
    ).toBeGreaterThan(0);
    fireEvent.click(screen.getAllByText("Show all time")[0]);
    await waitFor(() => expect(window.location.search).toBe("?range=all"));
  });

  test("yet, the page says so once", async () => {
    const none = (answer) => ({ ...answer, bounds: { first: null, last: null } });
    await show({ change: none });
    expect(await screen.findByText("No numbers yet.")).toBeTruthy();
    expect(screen.getByText(/Add a first record/)).toBeTruthy();
  });

  test("because nothing has been counted, the page says that it is prepared", async () => {
    const first = (answer) => ({ ...answer, bounds: {}, data_as_of: null });
    await show({ change: first });
    expect(await screen.findByText("Not counted yet.")).toBeTruthy();
  });

  test("while they are loading, the page says so", async () => {
    await show({ change: () => new Promise(() => {}) });
    expect(screen.getAllByText("Loading …").length).toBeGreaterThan(0);
    // announced once, not once for each widget
    expect(screen.getAllByRole("status").map((e) => e.textContent)).toEqual([
      "Loading …",
    ]);
  });

  test("until they are loaded, the page announces them", async () => {
    await show();
    await screen.findAllByText("Sediment cores");
    const [status] = screen.getAllByRole("status");
    expect(plain(status.textContent)).toBe("Numbers for Oct 28 – Nov 26, 2026.");
  });

  test("after a session has expired, the log-in form leads back", async () => {
    await show({
      address: "/communities/ocean/stats?range=90d",
      change: () => json(403),
      more: { loginUrl: "/login/" },
    });
    const link = await screen.findByRole("link", { name: "Log in" });
    expect(new URL(link.href).searchParams.get("next")).toBe(
      "/communities/ocean/stats?range=90d"
    );
  });

  test("the download menu is disabled", async () => {
    await show({ change: () => new Promise(() => {}) });
    const button = screen.getByRole("button", {
      name: "Download: Most viewed records",
    });
    expect(button.disabled).toBe(true);
  });

  test.each([
    [403, "You cannot see these statistics."],
    [404, "You cannot see these statistics."],
    [503, "The statistics are not available right now."],
    [500, "An error occurred."],
  ])("because of %i, the page says so once", async (status, words) => {
    await show({ change: () => json(status) });
    expect(await screen.findAllByText(words)).toHaveLength(1);
  });

  test("because of a refused request, the page shows the explanation of the API", async () => {
    await show({ change: () => json(400, { message: "At most ten years." }) });
    expect(await screen.findByText("At most ten years.")).toBeTruthy();
  });

  test("for a moment, the user can try again", async () => {
    let away = true;
    await show({ change: (answer) => (away ? json(503) : answer) });
    const button = await screen.findByText("Try again");
    away = false;
    fireEvent.click(button);
    expect(await screen.findAllByText("Sediment cores")).toHaveLength(2);
  });

  test("in one widget, the others show theirs", async () => {
    await show({
      change: (answer, url) => (url.includes("/records") ? json(500) : answer),
    });
    expect(await screen.findAllByText("An error occurred.")).toHaveLength(2);
    expect(await screen.findByText("Oceanography")).toBeTruthy();
  });
});

describe("tabs", () => {
  test("are in the address, and the arrow keys move between them", async () => {
    await show();
    await screen.findAllByText("Sediment cores");
    fireEvent.keyDown(screen.getByRole("tab", { name: "Overview" }), {
      key: "ArrowRight",
    });
    expect(window.location.search).toBe("?tab=usage");
    expect(document.activeElement).toBe(screen.getByRole("tab", { name: "Traffic" }));
    expect(await screen.findByText("www.google.com")).toBeTruthy();
  });

  test("are hidden if there is only one", async () => {
    await show({ layout: [LAYOUT[0]] });
    await screen.findAllByText("Sediment cores");
    expect(screen.queryByRole("tablist")).toBeNull();
  });
});

describe("the map", () => {
  test("has a table with all countries", async () => {
    await show({ address: "/?tab=usage" });
    fireEvent.click(await screen.findByText("Show all 14"));
    expect(screen.getByRole("rowheader", { name: "Canada" })).toBeTruthy();
  });

  test("is read with the arrow keys, the largest first", async () => {
    await show({ address: "/?tab=usage" });
    const map = await screen.findByRole("application", { name: /^Views by country/ });
    fireEvent.keyDown(map, { key: "ArrowRight" });
    const status = () => map.parentElement.querySelector("[role=status]").textContent;
    expect(status()).toBe("United States: 6,000.");
    fireEvent.keyDown(map, { key: "ArrowRight" });
    expect(status()).toMatch(/^Germany: /);
  });
});

describe("the rest of a ranking", () => {
  test("differs from a value with the id other, and has no link", async () => {
    await show();
    const rest = (await screen.findByText("Others")).closest("tr");
    expect(rest.className).toBe("rest");
    expect(rest.querySelector("a")).toBeNull();
    const other = screen.getByText("Other").closest("tr");
    expect(other.className).toBe("");
    expect(other.querySelector("a")).toBeTruthy();
  });
});

describe("records", () => {
  test("that the user may not see have no title and no link", async () => {
    await show();
    await screen.findAllByText("Sediment cores");
    expect(
      screen.getAllByText("Record with restricted access")[0].closest("a")
    ).toBeNull();
    expect(
      screen.getAllByText("Sediment cores")[0].closest("a").getAttribute("href")
    ).toBe("/records/abcde-12342");
  });
});

describe("a site", () => {
  test("can override a component", async () => {
    await show({
      overridden: {
        "InvenioStatsDashboard.Figures": () => <p>Own figures</p>,
        "InvenioStatsDashboard.Toolbar": () => <p>Own toolbar</p>,
      },
    });
    expect(await screen.findByText("Own figures")).toBeTruthy();
    expect(screen.getByText("Own toolbar")).toBeTruthy();
  });

  test("whose component fails shows the others", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const Figures = () => {
      throw new Error("a mistake of the site");
    };
    await show({ overridden: { "InvenioStatsDashboard.Figures": Figures } });
    expect(await screen.findAllByText("Sediment cores")).toHaveLength(2);
    expect(screen.getByText("An error occurred.")).toBeTruthy();
  });

  test("has its pages in German", async () => {
    const { i18next } = await import("@translations/invenio_stats_dashboard/i18next");
    await i18next.changeLanguage("de");
    try {
      const { requested } = await show({ more: { locale: "de" } });
      const sentence = await screen.findByText(/^Views, 28\. Okt/);
      expect(plain(sentence.textContent)).toContain("11.968");
      expect(screen.getByLabelText("Zeitraum")).toBeTruthy();
      expect(last(requested).lang).toBe("de");
    } finally {
      await i18next.changeLanguage("en");
    }
  });
});
