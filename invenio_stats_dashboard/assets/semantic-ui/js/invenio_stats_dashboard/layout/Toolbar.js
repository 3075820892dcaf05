// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useState } from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { everythingQuestion, fileAddress, totalsQuestion } from "../api/questions";
import { DownloadMenu } from "../components/DownloadMenu";
import { Select } from "../components/Select";
import { useDashboardState, useSettings } from "../context";
import { formatRange, toDay } from "../format/dates";
import {
  CUSTOM,
  intervalNames,
  isLastYear,
  lastYear,
  rangeChoices,
  shiftRange,
} from "../state/ranges";
import { RangeForm } from "./RangeForm";

/** The controls of the page: period, grouping, comparison, basis and downloads. */
export const Toolbar = ({ answer, metrics }) => {
  const { endpoint, locale, community } = useSettings();
  const [state, change] = useDashboardState();
  const [choosing, setChoosing] = useState(false);
  const today = toDay(new Date());
  const named = isLastYear(state, today) ? "lastyear" : state.range;

  const onRange = (value) => {
    setChoosing(value === CUSTOM);
    if (value === "lastyear") {
      change({ range: CUSTOM, ...lastYear(today) });
    } else if (value !== CUSTOM) {
      change({ range: value, from: null, to: null });
    }
  };
  const shown = choosing ? CUSTOM : named;

  return (
    <div
      className="stats-toolbar"
      role="region"
      aria-label={i18next.t("Display options")}
    >
      <div className="stats-toolbar-choices">
        <Select
          id="stats-range"
          label={i18next.t("Period")}
          value={shown}
          choices={rangeChoices(shown)}
          onChange={onRange}
        />
        {answer && state.range !== "all" && (
          <Steps answer={answer} today={today} onStep={(range) => change(range)} />
        )}
        <Select
          id="stats-interval"
          label={i18next.t("Group by")}
          value={state.interval || "auto"}
          choices={intervalChoices(answer)}
          onChange={(value) => change({ interval: value === "auto" ? null : value })}
        />
        {state.range !== "all" && (
          <Select
            id="stats-compare"
            label={i18next.t("Compare with")}
            value={state.compare}
            choices={[
              { value: "previous", text: i18next.t("Previous period") },
              { value: "year", text: i18next.t("Same period last year") },
              { value: "none", text: i18next.t("No comparison") },
            ]}
            onChange={(value) => change({ compare: value })}
          />
        )}
        <Select
          id="stats-basis"
          label={i18next.t("Count records by")}
          value={state.basis}
          choices={[
            {
              value: "added",
              text: community
                ? i18next.t("Date added to the community")
                : i18next.t("Date added"),
            },
            { value: "created", text: i18next.t("Date published here") },
            { value: "published", text: i18next.t("Publication date") },
          ]}
          onChange={(value) => change({ basis: value })}
        />
        <DownloadMenu
          label={i18next.t("Download")}
          text={i18next.t("Download")}
          items={[
            {
              text: i18next.t("Key figures, this period (CSV)"),
              href: fileAddress(
                endpoint,
                totalsQuestion(state, metrics, locale),
                "csv"
              ),
            },
            {
              text: i18next.t("Key figures, this period (Excel)"),
              href: fileAddress(
                endpoint,
                totalsQuestion(state, metrics, locale),
                "xlsx"
              ),
            },
            {
              text: i18next.t("All data since the beginning (CSV)"),
              href: fileAddress(endpoint, everythingQuestion(state, locale), "csv"),
            },
            {
              text: i18next.t("All data since the beginning (Excel)"),
              href: fileAddress(endpoint, everythingQuestion(state, locale), "xlsx"),
            },
            {
              text: i18next.t("Print or save as PDF"),
              onSelect: () => window.print(),
            },
          ]}
        />
      </div>
      {shown === CUSTOM && (
        <RangeForm
          key={`${state.from}-${state.to}`}
          from={state.from || (answer && answer.from) || today}
          to={state.to || (answer && answer.to) || today}
          today={today}
          onChange={(range) => {
            setChoosing(false);
            change({ range: CUSTOM, ...range });
          }}
        />
      )}
      {answer && (
        <p className="stats-range">{formatRange(answer.from, answer.to, locale)}</p>
      )}
    </div>
  );
};

Toolbar.propTypes = {
  answer: PropTypes.object,
  metrics: PropTypes.arrayOf(PropTypes.string).isRequired,
};

Toolbar.defaultProps = { answer: null };

const intervalChoices = (answer) => {
  const names = intervalNames();
  const now = answer && names[answer.interval];
  return [
    {
      value: "auto",
      text: now
        ? i18next.t("Automatic ({{interval}})", { interval: now })
        : i18next.t("Automatic"),
    },
    ...Object.entries(names).map(([value, text]) => ({ value, text })),
  ];
};

/** Buttons that move the period back and forward. */
const Steps = ({ answer, today, onStep }) => {
  const step = (steps) => shiftRange(answer, steps, today);
  return (
    <div className="stats-steps">
      <button
        type="button"
        aria-label={i18next.t("Previous period")}
        onClick={() => onStep({ range: CUSTOM, ...step(-1) })}
      >
        <span aria-hidden="true">‹</span>
      </button>
      <button
        type="button"
        aria-label={i18next.t("Next period")}
        disabled={!step(1)}
        onClick={() => onStep({ range: CUSTOM, ...step(1) })}
      >
        <span aria-hidden="true">›</span>
      </button>
    </div>
  );
};

Steps.propTypes = {
  answer: PropTypes.object.isRequired,
  today: PropTypes.string.isRequired,
  onStep: PropTypes.func.isRequired,
};
