// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { Select } from "../components/Select";
import { useDashboardState, useSettings } from "../context";
import { breakdownOf, metricChoices } from "../metrics";

/** What the time chart shows: which metric, in which parts, running or not. */
export const ChartControls = ({ widget, metric, breakdown }) => {
  const settings = useSettings();
  const [state, change] = useDashboardState();
  const { id, metrics, breakdowns } = widget;
  const parts = metric.cells === false ? [] : partsOf(settings, metric, breakdowns);
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
      {parts.length > 0 && (
        <Select
          id={`${id}-breakdown`}
          label={i18next.t("Broken down by")}
          hideLabel
          value={breakdown || "none"}
          choices={[
            { value: "none", text: i18next.t("As a whole") },
            ...parts.map((key) => ({
              value: key,
              text: i18next.t("By {{label}}", {
                label: breakdownOf(settings, key).label,
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
          label={i18next.t("Counted")}
          hideLabel
          value={state.cumulative ? "cumulative" : "interval"}
          choices={[
            { value: "interval", text: i18next.t("Per interval") },
            { value: "cumulative", text: i18next.t("Cumulative") },
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
};

ChartControls.defaultProps = { breakdown: null };

/** Return the breakdowns of a metric: records have no countries. */
const partsOf = (settings, metric, breakdowns) =>
  breakdowns.filter(
    (key) => metric.of !== "records" || !breakdownOf(settings, key).event
  );
