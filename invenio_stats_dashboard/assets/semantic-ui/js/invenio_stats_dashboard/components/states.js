// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Messages in place of numbers: why there are none, and what the user can do. */

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { AWAY, NETWORK, PERMISSION, REFUSED } from "../api/failures";
import { useDashboardState, useSettings } from "../context";
import { formatDay, formatRange } from "../format/dates";
import { inSentence } from "../metrics";

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

/** Grey bars as a placeholder. */
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

/** There is nothing in the period: show for which period data is available. */
export const Empty = ({ answer, metric }) => {
  const { locale } = useSettings();
  const [state, change] = useDashboardState();
  const { first, last } = answer.bounds || {};
  return (
    <Notice
      icon="calendar outline"
      heading={i18next.t("No {{metric}} from {{from}} to {{to}}.", {
        metric: inSentence(metric, locale),
        from: formatDay(answer.from, locale),
        to: formatDay(answer.to, locale),
      })}
    >
      {first && last && (
        <p>
          {i18next.t("Data is available for {{range}}.", {
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

Empty.propTypes = {
  answer: PropTypes.object.isRequired,
  metric: PropTypes.string.isRequired,
};

/** There are no numbers yet: none exist, or they are not counted. */
export const NoData = ({ answer }) => {
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
              "New records, views and downloads appear here within about an hour."
            )
          : i18next.t(
              "The statistics are being prepared. This takes minutes to hours, depending on the size of the repository."
            )}
      </p>
      {!counted && answer && answer.late && <p>{answer.late}</p>}
      {counted && community && canManage && (
        <p>{i18next.t("Add a first record to this community.")}</p>
      )}
    </Notice>
  );
};

NoData.propTypes = { answer: PropTypes.object };
NoData.defaultProps = { answer: null };

/** A request failed: show why, and what the user can do. */
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

/** Return the address of the log-in form that leads back to the current page. */
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
          "They are for members only, or your session has expired. Log in and try again."
        ),
      ];
    case REFUSED:
      return [
        i18next.t("This selection cannot be shown."),
        message || i18next.t("Choose another period, grouping or breakdown."),
      ];
    case AWAY:
      return [
        i18next.t("The statistics are not available right now."),
        i18next.t("Nothing is lost. Try again in a minute."),
      ];
    case NETWORK:
      return [
        i18next.t("No connection."),
        i18next.t("Check your internet connection and try again."),
      ];
    default:
      return [
        i18next.t("An error occurred."),
        i18next.t(
          "Try again. If the error persists, contact the administrators of this repository."
        ),
      ];
  }
};

/**
 * Show the answer to a request, or why there is none.
 *
 * Args:
 *   asked: from `useAnswer`.
 *   metric: label of the metric, for the message that the period has none.
 *   isEmpty: returns whether an answer has nothing to show in the period.
 *   hasNoData: returns whether an answer has nothing to show in any period.
 *   children: a function that renders an answer.
 *   lines: number of lines of the placeholder.
 */
export const Answer = ({ asked, metric, isEmpty, hasNoData, children, lines }) => {
  const { answer, failure, retry } = asked;
  if (failure) {
    return <Failed failure={failure} onRetry={retry} />;
  }
  if (!answer) {
    return <Loading lines={lines} />;
  }
  if (hasNoData && hasNoData(answer)) {
    return <NoData answer={answer} />;
  }
  if (isEmpty(answer)) {
    return <Empty answer={answer} metric={metric} />;
  }
  return children(answer);
};

Answer.propTypes = {
  asked: PropTypes.object.isRequired,
  metric: PropTypes.string,
  isEmpty: PropTypes.func.isRequired,
  hasNoData: PropTypes.func,
  children: PropTypes.func.isRequired,
  lines: PropTypes.number,
};

Answer.defaultProps = { metric: "", hasNoData: null, lines: 5 };
