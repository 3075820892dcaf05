// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useEffect, useRef } from "react";
import { Walk } from "../components/Walk";
import { echarts } from "./echarts";

/**
 * Show a chart of ECharts.
 *
 * Args:
 *   option: as ECharts takes it.
 *   height: in pixels.
 *   label: what it shows.
 *   count: number of its points.
 *   describe: returns the text of a point.
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
    // ECharts measures texts, so it has to know the font of the page by its name
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
