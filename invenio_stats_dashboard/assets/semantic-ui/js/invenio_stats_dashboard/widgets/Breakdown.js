// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { countCells, definitionOf, OTHER } from "../api/answers";
import { DownloadMenu } from "../components/DownloadMenu";
import { tableFiles } from "../components/downloads";
import { Help } from "../components/Help";
import { Panel } from "../components/Panel";
import { Ranking } from "../components/Ranking";
import { Answer } from "../components/states";
import { useDashboardState, useSettings } from "../context";
import { singularOf } from "../metrics";
import { changeWidget } from "../state/state";
import { useRanking } from "./useRanking";

/** Rows of an expanded ranking. */
const MORE = 100;

/** A breakdown as a ranking: a table whose rows are bars. */
export const Breakdown = ({ widget }) => {
  const { endpoint } = useSettings();
  const [state, change] = useDashboardState();
  const more = (state.widgets[widget.id] || {}).top === "more";
  const ranking = useRanking(widget, more ? MORE : widget.top);
  const { metric, breakdown, title, name, question, asked } = ranking;

  return (
    <Panel
      id={widget.id}
      title={title}
      help={<Help about={metric.label} text={definitionOf(asked.answer, metric)} />}
      loading={asked.loading}
      controls={
        <>
          {ranking.metricControl}
          <DownloadMenu
            label={i18next.t("Download: {{name}}", { name })}
            items={tableFiles(endpoint, question)}
          />
        </>
      }
    >
      <Answer
        asked={asked}
        metric={metric.label}
        isEmpty={(answer) => !ranking.read(answer).whole}
      >
        {(answer) => {
          const { cells, whole, summary } = ranking.read(answer);
          const listed = cells.filter(({ id }) => id !== OTHER).length;
          const number = countCells(answer, breakdown.key);
          return (
            <>
              <p className="stats-hidden">{summary}</p>
              <Ranking
                caption={name}
                heading={singularOf(breakdown)}
                metric={metric}
                breakdown={breakdown}
                cells={cells}
                whole={whole}
                compared={Boolean(answer.comparison)}
              />
              {(more || number > listed) && (
                <button
                  type="button"
                  className="stats-button quiet stats-more"
                  aria-expanded={more}
                  onClick={() =>
                    change((now) =>
                      changeWidget(now, widget.id, { top: more ? null : "more" })
                    )
                  }
                >
                  {more
                    ? i18next.t("Show fewer")
                    : number > MORE
                    ? i18next.t("Show {{shown}} of {{number}}", { shown: MORE, number })
                    : i18next.t("Show all {{number}}", { number })}
                </button>
              )}
            </>
          );
        }}
      </Answer>
    </Panel>
  );
};

Breakdown.propTypes = { widget: PropTypes.object.isRequired };
