// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** The data of rankings and maps: one metric of one breakdown in the period. */

import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { cellsOf, OTHER } from "../api/answers";
import { address, breakdownQuestion } from "../api/questions";
import { useAnswer } from "../api/useAnswer";
import { Select } from "../components/Select";
import { useDashboardState, useSettings } from "../context";
import { rankingSummary } from "../format/summaries";
import {
  breakdownOf,
  inSentence,
  metricChoices,
  metricOf,
  singularOf,
} from "../metrics";
import { changeWidget } from "../state/state";
import { wholeOf } from "./wholeOf";

/**
 * Request the breakdown values of a widget.
 *
 * Args:
 *   widget: of the layout.
 *   top: number of values.
 *
 * Returns: metric, breakdown, title, name (for captions and files), question, asked
 *   (from `useAnswer`), metricControl (an element, or null if there is one metric only)
 *   and read: a function that returns cells, whole and summary of an answer.
 */
export const useRanking = (widget, top) => {
  const settings = useSettings();
  const { locale, endpoint } = settings;
  const [state, change] = useDashboardState();
  const chosen = (state.widgets[widget.id] || {}).metric;
  const metric = metricOf(
    settings,
    widget.metrics.includes(chosen) ? chosen : widget.metrics[0]
  );
  const breakdown = breakdownOf(settings, widget.breakdown);
  const question = breakdownQuestion(
    state,
    { breakdown: breakdown.key, metric: metric.key, top },
    locale
  );
  const asked = useAnswer(address(endpoint, question));
  const title = widget.title || breakdown.label;
  const label = inSentence(singularOf(breakdown), locale);
  const name = i18next.t("{{metric}} by {{label}}", {
    metric: metric.label,
    label,
  });

  const read = (answer) => {
    const cells = cellsOf(answer, metric.key, breakdown.key);
    const whole = wholeOf(answer, metric, breakdown.key);
    const summary = rankingSummary({
      label,
      metric: metric.label,
      cells: cells.filter(({ id }) => id !== OTHER),
      whole,
      unit: metric.unit,
      locale,
    });
    return { cells, whole, summary };
  };

  const metricControl =
    widget.metrics.length > 1 ? (
      <Select
        id={`${widget.id}-metric`}
        label={i18next.t("Metric: {{title}}", { title })}
        hideLabel
        value={metric.key}
        choices={metricChoices(settings, widget.metrics)}
        onChange={(value) =>
          change((now) => changeWidget(now, widget.id, { metric: value }))
        }
      />
    ) : null;

  return { metric, breakdown, title, name, question, asked, metricControl, read };
};
