// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Build the ECharts options of a time chart; pure functions. */

import { formatBucket, formatTick, isPartial } from "../format/dates";
import { formatShort, formatValue } from "../format/numbers";
import { legendRows, ROW, shortLabel } from "./legend";
import { COMPARED, LINES, MARK, PALETTE, REST, TEXT } from "./palette";
import { tip } from "./tip";

/** The symbol of a dashed line in a legend. */
const DASHES = "path://M0 5h6v2H0zM8 5h6v2H8zM16 5h6v2h-6z";

/** Maximum number of stacked bars; more intervals become areas. */
const MANY_BUCKETS = 62;

/**
 * Return whether a chart has bars or lines.
 *
 * Levels and running totals are lines. A sum over a month or longer is a bar.
 */
export const chartType = ({ interval, kind, cumulative, stacked, buckets }) => {
  if (buckets.length === 1) {
    return "bar";
  }
  if (cumulative || kind === "level") {
    return "line";
  }
  if (stacked) {
    return buckets.length > MANY_BUCKETS ? "line" : "bar";
  }
  return ["day", "week"].includes(interval) ? "line" : "bar";
};

/** Return the height of the legend of a chart, in pixels. */
export const legendHeight = ({ series, stacked, compared, width }) => {
  if (!stacked && !compared) {
    return 0;
  }
  const names = [...series, ...(compared ? [compared] : [])].map(({ name }) => name);
  return legendRows(names, width - 24) * ROW;
};

/**
 * Return the options of a time chart.
 *
 * Args:
 *   buckets, interval, label, kind, unit, cumulative, locale: as in the API.
 *   series: list of {name, values, rest}.
 *   stacked: whether the series are the values of a breakdown, stacked on each other.
 *   compared: {name, buckets, values} or null.
 *   marks: list of {index, text} of the intervals with a note.
 *   unfinished: {index, text} of the first interval that still runs, or null.
 *   animated: whether changes are animated.
 *   width: in pixels; in a small width, the legend takes more rows.
 */
export const timeChart = (chart) => {
  const { buckets, interval, unit, series, stacked, compared, locale, animated } =
    chart;
  const { marks = [] } = chart;
  const type = chartType(chart);
  const dashed = type === "line" && isFalling(chart);
  const withYear =
    buckets[0].start.slice(0, 4) !== buckets[buckets.length - 1].start.slice(0, 4);
  const names = buckets.map((bucket) => formatTick(bucket, interval, locale, withYear));
  return {
    animation: Boolean(animated),
    animationDuration: 300,
    color: PALETTE,
    textStyle: { color: TEXT },
    aria: {
      enabled: true,
      label: { enabled: false },
      decal: { show: stacked && series.length > 1 },
    },
    grid: {
      left: 8,
      right: 16,
      top: 16 + (stacked ? 0 : legendHeight(chart)),
      bottom: 8 + (stacked ? legendHeight(chart) : 0),
      outerBoundsMode: "same",
      outerBoundsContain: "axisLabel",
    },
    legend: {
      show: stacked || Boolean(compared),
      ...(stacked ? { bottom: 0 } : { top: 0 }),
      left: 8,
      itemWidth: 22,
      itemHeight: 12,
      selectedMode: stacked,
      data: [
        ...series.map(({ name }) => ({ name, icon: "roundRect" })),
        ...(compared ? [{ name: compared.name, icon: DASHES }] : []),
      ],
      itemGap: 16,
      textStyle: { color: TEXT, fontSize: 13 },
      formatter: shortLabel,
    },
    tooltip: {
      trigger: "axis",
      confine: true,
      axisPointer: { type: type === "bar" ? "shadow" : "line" },
      formatter: (points) => tip(tipContent(chart, points)),
    },
    xAxis: {
      type: "category",
      data: names,
      boundaryGap: type === "bar",
      axisTick: { show: false },
      axisLine: { lineStyle: { color: LINES } },
      axisLabel: { color: TEXT, hideOverlap: true, fontSize: 12 },
    },
    yAxis: {
      type: "value",
      min: 0,
      minInterval: unit === "bytes" ? undefined : 1,
      splitNumber: 4,
      axisLabel: {
        color: TEXT,
        fontSize: 12,
        formatter: (value) => formatShort(value, unit, locale),
      },
      splitLine: { lineStyle: { color: LINES } },
    },
    series: [
      ...series.map((one, index) => oneSeries(one, index, type, chart, dashed)),
      ...(compared ? [comparedSeries(compared, buckets)] : []),
      ...(marks.length ? [markSeries(marks, buckets)] : []),
      ...(dashed ? [solidSeries(series[0], chart.unfinished)] : []),
    ],
  };
};

/** Return whether a line ends lower only because its last interval still runs. */
const isFalling = ({ kind, cumulative, stacked, unfinished }) =>
  kind === "flow" && !cumulative && !stacked && Boolean(unfinished);

const oneSeries = ({ name, values, rest }, index, type, chart, dashed) => {
  const { buckets, interval, stacked } = chart;
  const color = rest ? REST : PALETTE[index % PALETTE.length];
  return {
    name,
    type,
    data: values.map((value, place) => pointOf(value, buckets[place], type, interval)),
    stack: stacked ? "whole" : undefined,
    color,
    itemStyle: type === "bar" ? { borderRadius: stacked ? 0 : [2, 2, 0, 0] } : {},
    barMaxWidth: 48,
    lineStyle: { width: 2, type: dashed ? "dashed" : "solid" },
    symbol: "circle",
    symbolSize: 6,
    showSymbol: values.length <= 31,
    areaStyle: type === "line" ? { opacity: stacked ? 0.8 : 0.1 } : undefined,
    emphasis: { disabled: true },
  };
};

/** Return a point. The bar of an incomplete interval is pale: it is no decline. */
const pointOf = (value, bucket, type, interval) => {
  const known = value === undefined ? null : value;
  return type === "bar" && isPartial(bucket, interval)
    ? { value: known, itemStyle: { opacity: 0.5 } }
    : known;
};

/** The complete part of a dashed line, drawn over it: a line has one style only. */
const solidSeries = ({ name, values }, { index }) => ({
  name,
  type: "line",
  data: values.map((value, place) => (place < index ? value : null)),
  color: PALETTE[0],
  lineStyle: { width: 2, type: "solid" },
  symbol: "none",
  silent: true,
  tooltip: { show: false },
  emphasis: { disabled: true },
});

/** The compared period, cut off if it has more intervals than the current one. */
const comparedSeries = ({ name, values }, buckets) => ({
  name,
  type: "line",
  data: values.slice(0, buckets.length),
  color: COMPARED,
  lineStyle: { type: "dashed", width: 1.5 },
  symbol: "none",
  emphasis: { disabled: true },
});

/** Triangles on the axis, below the intervals with a note. */
const markSeries = (marks, buckets) => {
  const noted = new Set(marks.map(({ index }) => index));
  return {
    type: "line",
    data: buckets.map((_, index) => (noted.has(index) ? 0 : null)),
    lineStyle: { opacity: 0 },
    itemStyle: { color: MARK, borderColor: "#ffffff", borderWidth: 1 },
    symbol: "triangle",
    symbolSize: 11,
    symbolOffset: [0, -6],
    showAllSymbol: true,
    silent: true,
    tooltip: { show: false },
    emphasis: { disabled: true },
    z: 5,
  };
};

/**
 * Return the content of an interval's tip: title, rows (name, value, colour) and note.
 *
 * Args:
 *   chart: as for `timeChart`.
 *   points: as ECharts passes them to a formatter.
 */
export const tipContent = (chart, points) => {
  const { buckets, interval, series, stacked, label, compared } = chart;
  const { unit, locale, marks = [], unfinished } = chart;
  const index = points.length ? points[0].dataIndex : 0;
  const notes = [
    ...marks.filter((mark) => mark.index === index),
    ...(unfinished && index >= unfinished.index ? [unfinished] : []),
  ];
  const rows = series.map((one, place) => ({
    name: stacked ? one.name : label,
    value: formatValue(one.values[index], unit, locale),
    color: one.rest ? REST : PALETTE[place % PALETTE.length],
  }));
  if (series.length > 1) {
    rows.reverse();
  }
  if (compared && compared.buckets[index]) {
    rows.push({
      name: formatBucket(compared.buckets[index], interval, locale),
      value: formatValue(compared.values[index], unit, locale),
      color: COMPARED,
      dashed: true,
    });
  }
  return {
    title: formatBucket(buckets[index], interval, locale),
    rows,
    note: notes.map(({ text }) => text).join(" "),
  };
};
