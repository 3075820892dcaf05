// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { recordRowsOf } from "../api/answers";
import { address, recordsQuestion } from "../api/questions";
import { useAnswer } from "../api/useAnswer";
import { fileName, save } from "../charts/files";
import { DownloadMenu } from "../components/DownloadMenu";
import { Panel } from "../components/Panel";
import { Answer } from "../components/states";
import { useDashboardState, useSettings } from "../context";
import { toCsv } from "../format/csv";
import { formatNumber } from "../format/numbers";
import { metricOf } from "../metrics";

/** A ranking of the most viewed or most downloaded records. */
export const Records = ({ widget }) => {
  const settings = useSettings();
  const [state] = useDashboardState();
  const { by } = widget;
  const question = recordsQuestion(state, widget, settings.locale);
  const asked = useAnswer(address(`${settings.endpoint}/records`, question));
  const title =
    widget.title ||
    (by === "downloads"
      ? i18next.t("Most downloaded records")
      : i18next.t("Most viewed records"));

  return (
    <Panel
      id={widget.id}
      title={title}
      loading={asked.loading}
      controls={
        <DownloadMenu
          label={i18next.t("Download: {{name}}", { name: title })}
          items={asked.answer ? recordFiles(asked.answer, by, title, settings) : []}
        />
      }
    >
      <Answer
        asked={asked}
        metric={metricOf(settings, by).label}
        isEmpty={(answer) => !recordRowsOf(answer, by).length}
      >
        {(answer) => (
          <table className="stats-ranking stats-records">
            <caption className="stats-hidden">{title}</caption>
            <thead>
              <tr>
                <th scope="col">{i18next.t("Record")}</th>
                <th scope="col" className="number">
                  {metricOf(settings, by).label}
                </th>
              </tr>
            </thead>
            <tbody>
              <Rows rows={recordRowsOf(answer, by)} locale={settings.locale} />
            </tbody>
          </table>
        )}
      </Answer>
    </Panel>
  );
};

Records.propTypes = { widget: PropTypes.object.isRequired };

const Rows = ({ rows, locale }) => {
  const largest = Math.max(0, ...rows.map(({ count }) => count || 0));
  return rows.map((row) => {
    const text = row.title || hidden(row);
    return (
      <tr key={row.rank}>
        <th scope="row">
          <span
            className="stats-ranking-bar"
            style={{ width: `${largest ? ((row.count || 0) / largest) * 100 : 0}%` }}
            aria-hidden="true"
          />
          <span className="stats-ranking-label" title={text}>
            {row.href && row.title ? (
              <a href={row.href}>{text}</a>
            ) : (
              <span className={row.title ? "" : "stats-muted"}>{text}</span>
            )}
          </span>
        </th>
        <td className="number">{formatNumber(row.count, locale)}</td>
      </tr>
    );
  });
};

const recordFiles = (answer, by, title, settings) => [
  {
    text: i18next.t("Table (CSV)"),
    onSelect: () => {
      const rows = recordRowsOf(answer, by).map((row) => [
        row.rank,
        row.title || hidden(row),
        row.href ? new URL(row.href, window.location.href).href : "",
        row.count,
      ]);
      const head = [
        i18next.t("Rank"),
        i18next.t("Record"),
        i18next.t("URL"),
        metricOf(settings, by).label,
      ];
      save(
        new Blob([toCsv([head, ...rows])], { type: "text/csv;charset=utf-8" }),
        fileName([settings.title, title, answer.from, answer.to], "csv")
      );
    },
  },
];

const hidden = ({ deleted }) =>
  deleted ? i18next.t("Deleted record") : i18next.t("Record with restricted access");
