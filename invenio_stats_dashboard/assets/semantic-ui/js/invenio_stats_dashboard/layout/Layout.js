// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { Boundary } from "../components/Boundary";
import { useDashboardState, useSettings } from "../context";
import { WIDGETS } from "../widgets";
import { Tabs } from "./Tabs";

/** The tabs of the layout, and the rows of widgets of the active tab. */
export const Layout = ({ shared }) => {
  const { layout } = useSettings();
  const [state, change] = useDashboardState();
  const tab = layout.find(({ id }) => id === state.tab) || layout[0];
  if (!tab) {
    return null;
  }
  const chart = tab.rows.flat().find(({ kind }) => kind === "chart");
  const figures = tab.rows.flat().find(({ kind }) => kind === "figures");
  const metric = chart ? metricFor(state, chart, figures) : null;
  const panel =
    layout.length > 1
      ? {
          "id": "stats-tab-panel",
          "role": "tabpanel",
          "aria-labelledby": `stats-tab-${tab.id}`,
        }
      : {};
  return (
    <>
      {layout.length > 1 && (
        <Tabs
          tabs={layout}
          active={tab.id}
          onChange={(id) =>
            change({
              tab: id === layout[0].id ? null : id,
              metric: null,
              breakdown: null,
              cumulative: false,
            })
          }
        />
      )}
      <div {...panel}>
        {tab.rows.map((row, index) => (
          // the order of rows is fixed
          // eslint-disable-next-line react/no-array-index-key
          <div className="stats-row" key={`${tab.id}-${index}`}>
            {row.map((widget) => {
              const Widget = WIDGETS[widget.kind];
              return (
                <div
                  key={widget.id}
                  className="stats-cell"
                  style={{ "--stats-width": widget.width }}
                >
                  <Boundary>
                    <Widget
                      widget={widget}
                      {...(widget.kind === "chart"
                        ? {
                            shared,
                            metric: widget === chart ? metric : widget.metrics[0],
                          }
                        : {})}
                      {...(widget.kind === "figures"
                        ? { chosen: metric, chartMetrics: chart ? widget.metrics : [] }
                        : {})}
                    />
                  </Boundary>
                </div>
              );
            })}
          </div>
        ))}
      </div>
    </>
  );
};

Layout.propTypes = { shared: PropTypes.arrayOf(PropTypes.string).isRequired };

/** Return the metric of the tab's chart: from the address, else the chart's first. */
const metricFor = (state, chart, figures) => {
  const known = [...chart.metrics, ...(figures ? figures.metrics : [])];
  return known.includes(state.metric) ? state.metric : chart.metrics[0];
};
