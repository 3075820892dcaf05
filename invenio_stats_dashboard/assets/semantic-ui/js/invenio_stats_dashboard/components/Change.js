// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { formatChange } from "../format/numbers";

/** A change as an arrow and a percentage; never by colour alone. */
export const Change = ({ ratio, locale }) => {
  const text = formatChange(ratio, locale);
  if (text === null) {
    return <span className="stats-change none">–</span>;
  }
  const way = ratio > 0 ? "up" : ratio < 0 ? "down" : "same";
  return (
    <span className={`stats-change ${way}`}>
      <span aria-hidden="true">{{ up: "▲", down: "▼", same: "=" }[way]}</span>{" "}
      <span className="stats-hidden">
        {{ up: i18next.t("more:"), down: i18next.t("less:"), same: "" }[way]}{" "}
      </span>
      {text}
    </span>
  );
};

Change.propTypes = {
  ratio: PropTypes.number,
  locale: PropTypes.string.isRequired,
};

Change.defaultProps = { ratio: null };
