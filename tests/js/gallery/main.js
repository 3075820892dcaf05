// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/**
 * The page alone, with generated numbers: `npx vite tests/js/gallery`.
 *
 * `?state=late` shows the page with late numbers, and so on for the other names below.
 * `?locale=de` shows it in German.
 */

import React from "react";
import ReactDOM from "react-dom";
import "semantic-ui-css/semantic.min.css";
import "@less/invenio_stats_dashboard/dashboard.less";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { createClient } from "@js/invenio_stats_dashboard/api/client";
import { Dashboard } from "@js/invenio_stats_dashboard/Dashboard";
import { readSettings } from "@js/invenio_stats_dashboard/settings";
import { dataset, fakeFetch, LAYOUT } from "../helpers/api";

const json = (status, body) => new Response(JSON.stringify(body), { status });

const STATES = {
  late: (answer) => ({
    ...answer,
    late: "The numbers are older than usual. An update is running.",
    corrections: [{ day: "2026-11-12" }],
  }),
  empty: (answer) => ({
    ...answer,
    totals: {},
    rows: [],
    series: answer.series
      ? answer.series.map((s) => ({ ...s, total: 0, values: s.values.map(() => 0) }))
      : [],
  }),
  first: (answer) => ({
    ...answer,
    bounds: { first: null, last: null },
    data_as_of: null,
  }),
  forbidden: () => json(403, { message: "Permission denied." }),
  away: () => json(503, { message: "Away" }),
  refused: () => json(400, { message: "At most 3660 days can be asked for." }),
  loading: () => new Promise(() => {}),
};

const parameters = new URLSearchParams(window.location.search);
const locale = parameters.get("locale") || "en";
document.documentElement.lang = locale;
i18next.changeLanguage(locale);
ReactDOM.render(
  <Dashboard
    settings={readSettings(dataset(LAYOUT, { locale }))}
    client={createClient(fakeFetch(STATES[parameters.get("state")]))}
  />,
  document.getElementById("gallery")
);
