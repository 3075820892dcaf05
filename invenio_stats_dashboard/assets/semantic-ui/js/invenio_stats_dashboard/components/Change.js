// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { formatChange } from "../format/numbers";

/** A change as an arrow and a percentage, so not by colour alone. */
export const Change = ({ ratio, locale }) => {
  const text = formatChange(ratio, locale);
  if (text === null) {
    return <span className="stats-change none">–</span>;
  }
  const trend = ratio > 0 ? "up" : ratio < 0 ? "down" : "same";
  const words = { up: i18next.t("increase:"), down: i18next.t("decrease:"), same: "" };
  return (
    <span className={`stats-change ${trend}`}>
      <span aria-hidden="true">{{ up: "▲", down: "▼", same: "=" }[trend]}</span>{" "}
      <span className="stats-hidden">{words[trend]} </span>
      {text}
    </span>
  );
};

Change.propTypes = {
  ratio: PropTypes.number,
  locale: PropTypes.string.isRequired,
};

Change.defaultProps = { ratio: null };
