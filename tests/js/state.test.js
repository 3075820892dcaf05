// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { act, renderHook } from "./helpers/hooks";
import { describe, expect, test } from "vitest";
import {
  isLastYear,
  isNamedRange,
  lastYear,
  shiftRange,
} from "@js/invenio_stats_dashboard/state/ranges";
import {
  changeWidget,
  defaultState,
  formatState,
  parseState,
} from "@js/invenio_stats_dashboard/state/state";
import { useAddress } from "@js/invenio_stats_dashboard/state/useAddress";

const DEFAULTS = { range: "12mo", interval: "month" };

describe("the address", () => {
  test("is empty for the defaults of the site", () => {
    expect(formatState(defaultState(DEFAULTS), DEFAULTS)).toBe("");
    expect(parseState("", DEFAULTS)).toEqual(defaultState(DEFAULTS));
  });

  test.each([
    { range: "90d" },
    { range: "custom", from: "2025-01-01", to: "2025-12-31" },
    { interval: "week", basis: "published", compare: "year" },
    { interval: null },
    { compare: "none", cumulative: true, metric: "downloads", breakdown: "subjects" },
    { tab: "content", widgets: { subjects: { metric: "downloads", top: "more" } } },
  ])("holds what is looked at: %j", (changes) => {
    const state = { ...defaultState(DEFAULTS), ...changes };
    expect(parseState(formatState(state, DEFAULTS), DEFAULTS)).toEqual(state);
  });

  test.each([
    "?range=yesterday&interval=hour&basis=x&compare=x&cumulative=1",
    "?from=2025-01-01",
    "?from=2025-12-31&to=2025-01-01",
    "?from=2025-02-30&to=2025-03-01",
    "?from=<script>&to=2025-03-01",
  ])("that makes no sense shows what the site shows first: %s", (search) => {
    expect(parseState(search, DEFAULTS)).toEqual(defaultState(DEFAULTS));
  });

  test("does not change other parameters", () => {
    const state = { ...defaultState(), metric: "downloads" };
    expect(formatState(state, {}, "?utm=mail&metric=views&range=7d")).toBe(
      "?utm=mail&metric=downloads"
    );
  });

  test("ignores invalid defaults of a site", () => {
    expect(defaultState({ range: "x", interval: "x", compare: "x" })).toEqual(
      defaultState()
    );
  });
});

test("null resets a choice of a widget", () => {
  let state = changeWidget(defaultState(), "map", { metric: "downloads" });
  expect(state.widgets.map).toEqual({ metric: "downloads" });
  state = changeWidget(state, "map", { metric: null });
  expect(formatState(state, {})).toBe("");
});

describe("the state of the page", () => {
  test("is stored in the address, and the back button restores it", () => {
    const { result } = renderHook(() => useAddress(DEFAULTS));
    act(() => result.current[1]({ range: "7d" }));
    expect(window.location.search).toBe("?range=7d");
    expect(result.current[0].range).toBe("7d");
    act(() => result.current[1]({ metric: "downloads" }));
    expect(window.location.search).toBe("?range=7d&metric=downloads");
    act(() => {
      window.history.replaceState(null, "", "/?range=7d");
      window.dispatchEvent(new PopStateEvent("popstate"));
    });
    expect(result.current[0].metric).toBeNull();
  });

  test("adds an entry to the history for each change, and none without a change", () => {
    const { result } = renderHook(() => useAddress(DEFAULTS));
    const before = window.history.length;
    act(() => result.current[1]({ range: "12mo" }));
    expect(window.history.length).toBe(before);
    act(() => result.current[1]({ range: "all" }));
    expect(window.history.length).toBe(before + 1);
  });
});

describe("ranges", () => {
  test("have the names that the API accepts", () => {
    ["7d", "30d", "4w", "12mo", "5y", "mtd", "qtd", "ytd", "all"].forEach((name) =>
      expect(isNamedRange(name)).toBe(true)
    );
    ["0d", "d", "custom", "", null, "12 mo"].forEach((name) =>
      expect(isNamedRange(name)).toBe(false)
    );
  });

  test("last year is the calendar year before this one", () => {
    expect(lastYear("2026-11-26")).toEqual({ from: "2025-01-01", to: "2025-12-31" });
    expect(
      isLastYear({ range: "custom", ...lastYear("2026-01-01") }, "2026-11-26")
    ).toBe(true);
    expect(isLastYear({ range: "12mo", from: null, to: null }, "2026-11-26")).toBe(
      false
    );
  });

  test("are shifted by their length", () => {
    expect(
      shiftRange({ from: "2026-11-20", to: "2026-11-26" }, -1, "2026-11-26")
    ).toEqual({
      from: "2026-11-13",
      to: "2026-11-19",
    });
  });

  test("of whole months and years are shifted by months", () => {
    expect(
      shiftRange({ from: "2024-02-01", to: "2024-02-29" }, -1, "2026-11-26")
    ).toEqual({
      from: "2024-01-01",
      to: "2024-01-31",
    });
    expect(
      shiftRange({ from: "2024-01-01", to: "2024-12-31" }, 1, "2026-11-26")
    ).toEqual({
      from: "2025-01-01",
      to: "2025-12-31",
    });
  });

  test("do not end in the future", () => {
    expect(
      shiftRange({ from: "2026-11-20", to: "2026-11-26" }, 1, "2026-11-26")
    ).toBeNull();
  });
});
