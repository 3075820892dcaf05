// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** What is shown where there are no numbers: why, and what can be done. */

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { AWAY, NETWORK, PERMISSION, REFUSED } from "../api/failures";
import { useDashboardState, useSettings } from "../context";
import { formatRange } from "../format/dates";

const Notice = ({ icon, heading, children, alert }) => (
  <div className="stats-notice" role={alert ? "alert" : undefined}>
    <i className={`${icon} large icon`} aria-hidden="true" />
    <div>
      <p className="stats-notice-heading">{heading}</p>
      {children}
    </div>
  </div>
);

Notice.propTypes = {
  icon: PropTypes.string.isRequired,
  heading: PropTypes.string.isRequired,
  children: PropTypes.node,
  alert: PropTypes.bool,
};

Notice.defaultProps = { children: null, alert: false };

/** Grey bars where numbers will be. */
export const Loading = ({ lines }) => (
  <div className="stats-loading">
    <span className="stats-hidden">{i18next.t("Loading …")}</span>
    {Array.from({ length: lines }, (_, index) => (
      <div key={index} className="stats-loading-line" aria-hidden="true" />
    ))}
  </div>
);

Loading.propTypes = { lines: PropTypes.number };
Loading.defaultProps = { lines: 5 };

/** The range holds nothing; tell where there is something. */
export const Empty = ({ answer }) => {
  const { locale } = useSettings();
  const [state, change] = useDashboardState();
  const { first, last } = (answer && answer.bounds) || {};
  return (
    <Notice icon="calendar outline" heading={i18next.t("Nothing in this range.")}>
      {first && last && (
        <p>
          {i18next.t("There are numbers for {{range}}.", {
            range: formatRange(first, last, locale),
          })}
        </p>
      )}
      {state.range !== "all" && (
        <button
          type="button"
          className="stats-button"
          onClick={() => change({ range: "all" })}
        >
          {i18next.t("Show all time")}
        </button>
      )}
    </Notice>
  );
};

Empty.propTypes = { answer: PropTypes.object };
Empty.defaultProps = { answer: null };

/** Nothing has ever been counted here. */
export const Unborn = ({ answer }) => {
  const { community, canManage } = useSettings();
  const counted = Boolean(answer && answer.data_as_of);
  return (
    <Notice
      icon="chart bar outline"
      heading={counted ? i18next.t("No numbers yet.") : i18next.t("Not counted yet.")}
    >
      <p>
        {counted
          ? i18next.t(
              "Records, views and downloads are shown here within about an hour of happening."
            )
          : i18next.t(
              "The statistics are being prepared. Depending on the size of the repository this takes from minutes to some hours."
            )}
      </p>
      {!counted && answer && answer.late && <p>{answer.late}</p>}
      {counted && community && canManage && (
        <p>{i18next.t("Add a first record to this community to see it grow.")}</p>
      )}
    </Notice>
  );
};

Unborn.propTypes = { answer: PropTypes.object };
Unborn.defaultProps = { answer: null };

/** A request failed: why, and what to do. */
export const Failed = ({ failure, onRetry }) => {
  const { loginUrl } = useSettings();
  const [heading, text] = words(failure);
  const again = ![PERMISSION, REFUSED].includes(failure.kind);
  return (
    <Notice
      icon={failure.kind === PERMISSION ? "lock" : "warning sign"}
      heading={heading}
      alert
    >
      <p>{text}</p>
      {again && (
        <button type="button" className="stats-button" onClick={onRetry}>
          {i18next.t("Try again")}
        </button>
      )}
      {failure.kind === PERMISSION && loginUrl && (
        <a className="stats-button" href={comingBack(loginUrl)}>
          {i18next.t("Log in")}
        </a>
      )}
    </Notice>
  );
};

Failed.propTypes = {
  failure: PropTypes.object.isRequired,
  onRetry: PropTypes.func.isRequired,
};

/** Return the address of the log-in that leads back to what is looked at now. */
const comingBack = (loginUrl) => {
  const { pathname, search } = window.location;
  return `${loginUrl}?${new URLSearchParams({ next: pathname + search })}`;
};

const words = ({ kind, message }) => {
  switch (kind) {
    case PERMISSION:
      return [
        i18next.t("You cannot see these statistics."),
        i18next.t(
          "They are for members only, or you are no longer logged in. Log in and come back."
        ),
      ];
    case REFUSED:
      return [
        i18next.t("This choice is not possible."),
        message || i18next.t("Choose another range, interval or breakdown."),
      ];
    case AWAY:
      return [
        i18next.t("The statistics are not available right now."),
        i18next.t("Nothing is lost. Try again in a minute."),
      ];
    case NETWORK:
      return [
        i18next.t("No connection."),
        i18next.t("Check your connection to the Internet and try again."),
      ];
    default:
      return [
        i18next.t("Something went wrong."),
        i18next.t(
          "Try again; if it stays so, tell the people who run this repository."
        ),
      ];
  }
};

/**
 * Show the answer of a question, or why there is none.
 *
 * Args:
 *   asked: as `useAnswer` returns it.
 *   isEmpty: whether an answer holds nothing to show.
 *   children: a function of the answer.
 *   lines: of the placeholder.
 */
export const Answer = ({ asked, isEmpty, isUnborn, children, lines }) => {
  const { answer, failure, retry } = asked;
  if (failure) {
    return <Failed failure={failure} onRetry={retry} />;
  }
  if (!answer) {
    return <Loading lines={lines} />;
  }
  if (isUnborn && isUnborn(answer)) {
    return <Unborn answer={answer} />;
  }
  if (isEmpty(answer)) {
    return <Empty answer={answer} />;
  }
  return children(answer);
};

Answer.propTypes = {
  asked: PropTypes.object.isRequired,
  isEmpty: PropTypes.func.isRequired,
  isUnborn: PropTypes.func,
  children: PropTypes.func.isRequired,
  lines: PropTypes.number,
};

Answer.defaultProps = { isUnborn: null, lines: 5 };
