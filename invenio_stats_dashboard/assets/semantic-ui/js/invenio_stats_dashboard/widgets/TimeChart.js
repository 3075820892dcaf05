// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useMemo, useState } from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { definitionOf, hasNoData, isEmpty } from "../api/answers";
import { address, chartQuestion } from "../api/questions";
import { useAnswer } from "../api/useAnswer";
import { Chart } from "../charts/Chart";
import { echarts } from "../charts/echarts";
import { chartSvg, FILE_WIDTH, fileName } from "../charts/files";
import { legendHeight, timeChart, tipContent } from "../charts/timeChart";
import { useWidth } from "../charts/useWidth";
import { DownloadMenu } from "../components/DownloadMenu";
import { pictureFiles, tableFiles } from "../components/downloads";
import { Help } from "../components/Help";
import { Panel } from "../components/Panel";
import { Answer } from "../components/states";
import { Switch } from "../components/Switch";
import { useDashboardState, useSettings } from "../context";
import { formatRange } from "../format/dates";
import { pointSummary, timeSummary } from "../format/summaries";
import { breakdownOf, inSentence, metricOf, singularOf } from "../metrics";
import { ChartControls } from "./ChartControls";
import { chartData } from "./chartData";
import { ChartTable } from "./ChartTable";
import { Corrections } from "./Corrections";

/** A metric over time: its total, compared or not, or by a breakdown. */
export const TimeChart = ({ widget, shared, metric: key }) => {
  const settings = useSettings();
  const { locale, endpoint } = settings;
  const [state] = useDashboardState();
  const [view, setView] = useState("chart");

  const metric = metricOf(settings, key);
  const breakdown = breakdownFor(state, widget, metric);
  const cumulative = state.cumulative || widget.cumulative;
  const question = chartQuestion(
    state.interval || !widget.interval
      ? state
      : { ...state, interval: widget.interval },
    { metric, breakdown, top: widget.top, cumulative, shared },
    locale
  );
  const asked = useAnswer(address(endpoint, question));
  const name = breakdown
    ? i18next.t("{{metric}} by {{label}}", {
        metric: metric.label,
        label: inSentence(singularOf(breakdownOf(settings, breakdown)), locale),
      })
    : metric.label;
  const data = useMemo(
    () =>
      asked.answer
        ? chartData(asked.answer, { metric, breakdown, cumulative, locale, name })
        : null,
    [asked.answer, metric, breakdown, cumulative, locale, name]
  );

  return (
    <Panel
      id={widget.id}
      className="stats-time"
      title={widget.title || name}
      help={<Help about={metric.label} text={definitionOf(asked.answer, metric)} />}
      loading={asked.loading}
      controls={
        <>
          <ChartControls
            widget={widget}
            metric={metric}
            breakdown={breakdown}
            interval={asked.answer && asked.answer.interval}
          />
          <Switch
            label={i18next.t("Show as")}
            value={view}
            onChange={setView}
            choices={[
              { value: "chart", text: i18next.t("Chart") },
              { value: "table", text: i18next.t("Table") },
            ]}
          />
          <DownloadMenu
            label={i18next.t("Download: {{name}}", { name })}
            items={[
              ...tableFiles(endpoint, question),
              ...(data ? chartFiles(data, name, settings) : []),
            ]}
          />
        </>
      }
    >
      <Answer
        asked={asked}
        metric={metric.label}
        isEmpty={(answer) => isEmpty(answer, [metric.key])}
        hasNoData={hasNoData}
        lines={8}
      >
        {() =>
          view === "table" ? (
            <ChartTable data={data} caption={name} />
          ) : (
            <TimeFigure data={data} name={name} />
          )
        }
      </Answer>
    </Panel>
  );
};

TimeChart.propTypes = {
  widget: PropTypes.object.isRequired,
  shared: PropTypes.arrayOf(PropTypes.string),
  metric: PropTypes.string.isRequired,
};

TimeChart.defaultProps = { shared: [] };

/** Return the breakdown to show, or null; uploaders, for example, have none. */
const breakdownFor = (state, widget, metric) => {
  const wanted =
    state.breakdown === "none" ? null : state.breakdown || widget.breakdown;
  return metric.cells === false || !widget.breakdowns.includes(wanted) ? null : wanted;
};

const reducedMotion = () =>
  Boolean(
    window.matchMedia && window.matchMedia("(prefers-reduced-motion: reduce)").matches
  );

/** Height of a chart without its legend, in pixels. */
const HEIGHT = 300;

const TimeFigure = ({ data, name }) => {
  const [box, width] = useWidth();
  const option = useMemo(
    () => timeChart({ ...data, width, animated: !reducedMotion() }),
    [data, width]
  );
  const summary = timeSummary(data);
  return (
    <figure className="stats-figure-frame" ref={box}>
      <Chart
        option={option}
        height={HEIGHT + legendHeight({ ...data, width })}
        label={`${name}.`}
        count={data.buckets.length}
        describe={(index) => pointSummary(tipContent(data, [{ dataIndex: index }]))}
      />
      <figcaption className="stats-summary">{summary}</figcaption>
      <Corrections corrections={data.corrections} />
    </figure>
  );
};

TimeFigure.propTypes = {
  data: PropTypes.object.isRequired,
  name: PropTypes.string.isRequired,
};

const chartFiles = (data, name, settings) => {
  const range = formatRange(
    data.buckets[0].start,
    data.buckets[data.buckets.length - 1].end,
    settings.locale
  );
  const svg = () =>
    chartSvg(
      echarts,
      timeChart({ ...data, width: FILE_WIDTH, animated: false }),
      name,
      [settings.title, range].filter(Boolean).join(" · ")
    );
  return pictureFiles(svg, (suffix) =>
    fileName([settings.title, name, data.from, data.to], suffix)
  );
};
