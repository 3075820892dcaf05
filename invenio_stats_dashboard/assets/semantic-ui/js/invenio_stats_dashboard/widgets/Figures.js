// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import {
  comparedTotalOf,
  definitionOf,
  hasNoData,
  totalChangeOf,
  totalOf,
  valuesOf,
} from "../api/answers";
import { address, totalsQuestion } from "../api/questions";
import { useAnswer } from "../api/useAnswer";
import { Change } from "../components/Change";
import { Help } from "../components/Help";
import { Sparkline } from "../components/Sparkline";
import { Answer } from "../components/states";
import { useDashboardState, useSettings } from "../context";
import { formatRange } from "../format/dates";
import { formatShort, formatValue } from "../format/numbers";
import { metricOf } from "../metrics";

/** The key figures of the period; the chart shows the one that is chosen. */
export const Figures = ({ widget, chartMetrics, chosen }) => {
  const settings = useSettings();
  const [state, change] = useDashboardState();
  const question = totalsQuestion(state, widget.metrics, settings.locale);
  const asked = useAnswer(address(settings.endpoint, question));
  return (
    <section
      className="stats-figures-panel"
      aria-label={i18next.t("Key figures")}
      aria-busy={asked.loading}
    >
      <Answer asked={asked} isEmpty={() => false} hasNoData={hasNoData} lines={3}>
        {(answer) => (
          <>
            <ul className={asked.loading ? "stats-figures loading" : "stats-figures"}>
              {widget.metrics.map((key) => (
                <Figure
                  key={key}
                  metric={metricOf(settings, key)}
                  answer={answer}
                  locale={settings.locale}
                  chosen={key === chosen}
                  onChoose={
                    chartMetrics.includes(key)
                      ? () => change({ metric: key, breakdown: null })
                      : null
                  }
                />
              ))}
            </ul>
            {answer.comparison && (
              <p className="stats-small">
                {i18next.t("Compared with {{range}}.", {
                  range: formatRange(
                    answer.comparison.from,
                    answer.comparison.to,
                    settings.locale
                  ),
                })}
              </p>
            )}
          </>
        )}
      </Answer>
    </section>
  );
};

Figures.propTypes = {
  widget: PropTypes.object.isRequired,
  chartMetrics: PropTypes.arrayOf(PropTypes.string),
  chosen: PropTypes.string,
};

Figures.defaultProps = { chartMetrics: [], chosen: null };

const Figure = ({ metric, answer, locale, chosen, onChoose }) => {
  const total = totalOf(answer, metric.key);
  const before = comparedTotalOf(answer, metric.key);
  const about = (answer.metrics && answer.metrics[metric.key]) || metric;
  const label = about.label || metric.label;
  return (
    <li className={chosen ? "stats-figure chosen" : "stats-figure"}>
      <div className="stats-figure-label">
        {onChoose ? (
          <button type="button" aria-pressed={chosen} onClick={onChoose}>
            {label}
          </button>
        ) : (
          <span>{label}</span>
        )}
        <Help about={label} text={definitionOf(answer, metric)} />
      </div>
      <div
        className="stats-figure-value"
        title={formatValue(total, metric.unit, locale)}
      >
        {formatShort(total, metric.unit, locale)}
      </div>
      {answer.comparison && (
        <div className="stats-figure-change">
          <Change ratio={totalChangeOf(answer, metric.key)} locale={locale} />
          <span className="stats-figure-before">
            {i18next.t("from {{value}}", {
              value: formatShort(before, metric.unit, locale),
            })}
          </span>
        </div>
      )}
      <Sparkline values={valuesOf(answer, metric.key)} />
    </li>
  );
};

Figure.propTypes = {
  metric: PropTypes.object.isRequired,
  answer: PropTypes.object.isRequired,
  locale: PropTypes.string.isRequired,
  chosen: PropTypes.bool.isRequired,
  onChoose: PropTypes.func,
};

Figure.defaultProps = { onChoose: null };
