// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** The statistics pages: mounts the dashboard on `#stats-dashboard`. */

import React from "react";
import ReactDOM from "react-dom";
import { overrideStore } from "react-overridable";
import "@less/invenio_stats_dashboard/dashboard.less";
import { Dashboard } from "./Dashboard";
import { readSettings } from "./settings";

const root = document.getElementById("stats-dashboard");
if (root) {
  ReactDOM.render(
    <Dashboard
      settings={readSettings(root.dataset)}
      overridden={overrideStore.getAll()}
    />,
    root
  );
}
