// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { Select } from "../components/Select";
import { useDashboardState, useSettings } from "../context";
import { breakdownOf, inSentence, metricChoices, singularOf } from "../metrics";
import { intervalNames } from "../state/ranges";

/** The controls of a time chart: metric, breakdown, and running totals or not. */
export const ChartControls = ({ widget, metric, breakdown, interval }) => {
  const settings = useSettings();
  const [state, change] = useDashboardState();
  const { id, metrics, breakdowns } = widget;
  const offered =
    metric.cells === false ? [] : offeredFor(settings, metric, breakdowns);
  const word = (label) => inSentence(label, settings.locale);
  return (
    <>
      {metrics.length > 1 && (
        <Select
          id={`${id}-metric`}
          label={i18next.t("Metric")}
          hideLabel
          value={metric.key}
          choices={metricChoices(settings, [...new Set([...metrics, metric.key])])}
          onChange={(value) => change({ metric: value })}
        />
      )}
      {offered.length > 0 && (
        <Select
          id={`${id}-breakdown`}
          label={i18next.t("Breakdown")}
          hideLabel
          value={breakdown || "none"}
          choices={[
            { value: "none", text: i18next.t("Total") },
            ...offered.map((key) => ({
              value: key,
              text: i18next.t("By {{label}}", {
                label: word(singularOf(breakdownOf(settings, key))),
              }),
            })),
          ]}
          onChange={(value) =>
            change({
              breakdown: value === "none" && !widget.breakdown ? null : value,
            })
          }
        />
      )}
      {metric.kind === "flow" && (
        <Select
          id={`${id}-cumulative`}
          label={i18next.t("Values")}
          hideLabel
          value={state.cumulative ? "cumulative" : "interval"}
          choices={[
            {
              value: "interval",
              text: i18next.t("Per {{interval}}", {
                interval: word(intervalNames()[interval] || i18next.t("Interval")),
              }),
            },
            { value: "cumulative", text: i18next.t("Total so far") },
          ]}
          onChange={(value) => change({ cumulative: value === "cumulative" })}
        />
      )}
    </>
  );
};

ChartControls.propTypes = {
  widget: PropTypes.object.isRequired,
  metric: PropTypes.object.isRequired,
  breakdown: PropTypes.string,
  interval: PropTypes.string,
};

ChartControls.defaultProps = { breakdown: null, interval: null };

/** Return the breakdowns that a metric has: records, for example, have no countries. */
const offeredFor = (settings, metric, breakdowns) =>
  breakdowns.filter(
    (key) => metric.of !== "records" || !breakdownOf(settings, key).event
  );
