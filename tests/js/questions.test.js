// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { describe, expect, test } from "vitest";
import {
  address,
  breakdownQuestion,
  chartQuestion,
  everythingQuestion,
  fileAddress,
  recordsQuestion,
  totalsQuestion,
} from "@js/invenio_stats_dashboard/api/questions";
import { searchLink } from "@js/invenio_stats_dashboard/api/searchLinks";
import { defaultState } from "@js/invenio_stats_dashboard/state/state";
import { BREAKDOWNS, METRICS } from "./helpers/api";

const STATE = defaultState();
const metric = (key) => ({ key, ...METRICS[key] });

describe("a question", () => {
  test("for totals has range, comparison and language", () => {
    expect(totalsQuestion(STATE, ["views", "records"], "pt-BR")).toEqual({
      metrics: "views,records",
      range: "30d",
      compare: "previous",
      lang: "pt_BR",
    });
  });

  test("for two days has them", () => {
    const state = { ...STATE, range: "custom", from: "2025-01-01", to: "2025-12-31" };
    expect(
      totalsQuestion({ ...state, interval: "week", basis: "created" }, ["views"])
    ).toEqual({
      metrics: "views",
      from: "2025-01-01",
      to: "2025-12-31",
      interval: "week",
      basis: "created",
      compare: "previous",
    });
  });

  test("for all time has no comparison", () => {
    expect(totalsQuestion({ ...STATE, range: "all" }, ["views"])).not.toHaveProperty(
      "compare"
    );
    expect(totalsQuestion({ ...STATE, compare: "none" }, ["views"])).not.toHaveProperty(
      "compare"
    );
  });

  test("for the chart is that for the figures if their answer has its numbers", () => {
    const shared = ["records", "views"];
    expect(chartQuestion(STATE, { metric: metric("views"), shared }, "en")).toEqual(
      totalsQuestion(STATE, shared, "en")
    );
    expect(
      chartQuestion(STATE, { metric: metric("downloads"), shared }, "en").metrics
    ).toBe("downloads");
    const running = { metric: metric("views"), shared, cumulative: true };
    expect(chartQuestion(STATE, running, "en")).toMatchObject({
      metrics: "views",
      cumulative: "true",
    });
  });

  test("for a breakdown includes the rest, and has no comparison", () => {
    const parts = { metric: metric("views"), breakdown: "subjects", top: 7 };
    expect(chartQuestion(STATE, parts, "en")).toEqual({
      metrics: "views",
      breakdown: "subjects",
      top: 7,
      other: "true",
      range: "30d",
      lang: "en",
    });
  });

  test("for a distinct metric is cumulative unless it is by day", () => {
    const distinct = { metric: metric("viewed_records") };
    expect(chartQuestion(STATE, distinct).cumulative).toBe("true");
    expect(chartQuestion({ ...STATE, interval: "day" }, distinct)).not.toHaveProperty(
      "cumulative"
    );
  });

  test("for a ranking is one number for each value", () => {
    const ranking = { breakdown: "subjects", metric: "views", top: 10 };
    expect(
      breakdownQuestion({ ...STATE, interval: "day" }, ranking, "en").interval
    ).toBe("year");
  });

  test("for records has no basis and no comparison", () => {
    const records = { by: "views", of: "parents", size: 5 };
    expect(recordsQuestion({ ...STATE, basis: "created" }, records, "en")).toEqual({
      by: "views",
      of: "parents",
      size: 5,
      range: "30d",
      lang: "en",
    });
  });

  test("is an address, and another one for a file", () => {
    expect(address("/api/x", { metrics: "a,b" })).toBe("/api/x?metrics=a%2Cb");
    expect(fileAddress("/api/x", everythingQuestion(STATE, "en"), "csv")).toBe(
      "/api/x?range=all&metrics=all&breakdown=all&top=all&lang=en&format=csv"
    );
  });
});

describe("a value links to the search for its records", () => {
  const query = (breakdown, id) => {
    const link = searchLink("/search", BREAKDOWNS[breakdown], id);
    return link && new URL(link, "http://localhost").searchParams.get("q");
  };

  test("by the id of a vocabulary", () => {
    expect(query("resource_types", "dataset")).toBe(
      'metadata.resource_type.id:"dataset"'
    );
  });

  test("by id or text if records can have either", () => {
    expect(query("subjects", "sea ice")).toBe(
      'metadata.subjects.id:"sea ice" OR metadata.subjects.subject:"sea ice"'
    );
  });

  test("by its value if it has no vocabulary", () => {
    expect(query("access_statuses", "open")).toBe('access.status:"open"');
  });

  test("by the ending of a file's name, too", () => {
    expect(query("file_types", "ipynb")).toBe(
      'files.types:"ipynb" OR files.entries.key:*.ipynb'
    );
    expect(query("file_types", "a*b")).toBe('files.types:"a*b"');
  });

  test("by a title in any language", () => {
    const rights = {
      fields: ["metadata.rights"],
      text: "title",
      vocabulary: "licenses",
    };
    const link = searchLink("/search", rights, "Own terms");
    expect(new URL(link, "http://localhost").searchParams.get("q")).toBe(
      'metadata.rights.id:"Own terms" OR metadata.rights.title.\\*:"Own terms"'
    );
  });

  test("with quotes and colons escaped, also those of a custom field", () => {
    const breakdown = { fields: ["custom_fields.journal:journal.title"] };
    const link = searchLink(
      "/communities/a/records",
      breakdown,
      'The "best" \\ one: x'
    );
    expect(new URL(link, "http://localhost").searchParams.get("q")).toBe(
      'custom_fields.journal\\:journal.title:"The \\"best\\" \\\\ one: x"'
    );
  });

  test("and not for events, the rest and unknown values", () => {
    expect(query("countries", "DE")).toBeNull();
    expect(query("subjects", "_other")).toBeNull();
    expect(query("subjects", "unknown")).toBeNull();
  });
});
