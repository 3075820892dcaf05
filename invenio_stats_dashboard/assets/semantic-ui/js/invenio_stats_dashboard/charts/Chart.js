// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useEffect, useRef } from "react";
import { Walk } from "../components/Walk";
import { echarts } from "./echarts";

/**
 * Show an ECharts chart.
 *
 * Args:
 *   option: of ECharts.
 *   height: in pixels.
 *   label: of the chart, for screen readers.
 *   count: number of intervals.
 *   describe: returns the text for the index of an interval.
 */
export const Chart = ({ option, height, label, count, describe }) => {
  const box = useRef(null);
  const chart = useRef(null);

  useEffect(() => {
    const instance = echarts.init(box.current, null, { renderer: "svg" });
    chart.current = instance;
    const fit = () => instance.resize();
    const observer = window.ResizeObserver ? new ResizeObserver(fit) : null;
    observer ? observer.observe(box.current) : window.addEventListener("resize", fit);
    window.addEventListener("beforeprint", fit);
    return () => {
      observer ? observer.disconnect() : window.removeEventListener("resize", fit);
      window.removeEventListener("beforeprint", fit);
      instance.dispose();
    };
  }, []);

  useEffect(() => {
    // ECharts measures text and needs the name of the page's font for that
    const { fontFamily } = window.getComputedStyle(box.current);
    chart.current.setOption(
      { ...option, textStyle: { ...option.textStyle, fontFamily } },
      { notMerge: true }
    );
  }, [option]);

  const onGo = (index) =>
    chart.current.dispatchAction(
      index === null
        ? { type: "hideTip" }
        : { type: "showTip", seriesIndex: 0, dataIndex: index }
    );

  return (
    <Walk label={label} count={count} onGo={onGo} describe={describe}>
      <div ref={box} className="stats-chart-box" style={{ height }} />
    </Walk>
  );
};

Chart.propTypes = {
  option: PropTypes.object.isRequired,
  height: PropTypes.number.isRequired,
  label: PropTypes.string.isRequired,
  count: PropTypes.number.isRequired,
  describe: PropTypes.func.isRequired,
};
