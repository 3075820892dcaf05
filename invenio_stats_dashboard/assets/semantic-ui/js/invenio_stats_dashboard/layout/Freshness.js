// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { useSettings } from "../context";
import { formatMoment, formatRange } from "../format/dates";

/** Announce to screen readers that numbers are loading, and when they are shown. */
export const Progress = ({ asked }) => {
  const { locale } = useSettings();
  const { answer, loading, failure } = asked;
  // a failure is announced by its own message
  const text = failure
    ? ""
    : loading || !answer
    ? i18next.t("Loading …")
    : i18next.t("Numbers for {{range}}.", {
        range: formatRange(answer.from, answer.to, locale),
      });
  return (
    <div className="stats-hidden" role="status">
      {text}
    </div>
  );
};

Progress.propTypes = { asked: PropTypes.object.isRequired };

/** A banner that says why the numbers are late. */
export const Late = ({ answer }) =>
  answer.late ? (
    <div className="stats-late" role="status">
      <i className="clock outline icon" aria-hidden="true" />
      <div>
        <strong>{i18next.t("The newest numbers are missing.")}</strong>{" "}
        <span>{answer.late}</span>
      </div>
    </div>
  ) : null;

Late.propTypes = { answer: PropTypes.object.isRequired };

/** The last line of the page: how fresh the numbers are, and how they are counted. */
export const AsOf = ({ answer }) => {
  const { locale } = useSettings();
  return (
    <p className="stats-as-of">
      {answer.data_as_of &&
        i18next.t("Data as of {{moment}}.", {
          moment: formatMoment(answer.data_as_of, locale),
        })}{" "}
      {i18next.t("Days begin and end at midnight UTC.")} {answer.robots}
    </p>
  );
};

AsOf.propTypes = { answer: PropTypes.object.isRequired };
