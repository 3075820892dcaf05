// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";

/** The list, below a chart, of complete days whose numbers have changed. */
export const Corrections = ({ corrections }) => {
  if (!corrections.length) {
    return null;
  }
  return (
    <details className="stats-corrections">
      <summary>
        <span className="stats-corrections-mark" aria-hidden="true">
          ▲
        </span>{" "}
        {i18next.t("Corrected days")}
      </summary>
      <ul>
        {[...new Set(corrections.map(({ text }) => text))].map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </details>
  );
};

Corrections.propTypes = { corrections: PropTypes.arrayOf(PropTypes.object).isRequired };
