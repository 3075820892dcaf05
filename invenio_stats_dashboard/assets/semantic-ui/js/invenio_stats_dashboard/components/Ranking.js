// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { OTHER } from "../api/answers";
import { searchLink } from "../api/searchLinks";
import { useSettings } from "../context";
import { changeOf, formatShare, formatValue } from "../format/numbers";
import { Change } from "./Change";

/** A table whose rows are bars, with number, share and change. */
export const Ranking = ({
  caption,
  heading,
  metric,
  breakdown,
  cells,
  whole,
  compared,
}) => {
  const { locale, searchUrl } = useSettings();
  const largest = Math.max(
    0,
    ...cells.filter(({ id }) => id !== OTHER).map(({ total }) => total || 0)
  );
  return (
    <table className="stats-ranking">
      <caption className="stats-hidden">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">{heading}</th>
          <th scope="col" className="number">
            {metric.label}
          </th>
          <th scope="col" className="number share">
            {i18next.t("Share")}
          </th>
          {compared && (
            <th scope="col" className="number change">
              {i18next.t("Change")}
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {cells.map((cell) => {
          const href = searchLink(searchUrl, breakdown, cell.id);
          const rest = cell.id === OTHER;
          const width = largest && !rest ? ((cell.total || 0) / largest) * 100 : 0;
          return (
            <tr key={cell.id} className={rest ? "rest" : ""}>
              <th scope="row">
                <span
                  className="stats-ranking-bar"
                  style={{ width: `${width}%` }}
                  aria-hidden="true"
                />
                <span className="stats-ranking-label" title={cell.label}>
                  {href ? <a href={href}>{cell.label}</a> : cell.label}
                </span>
              </th>
              <td className="number">{formatValue(cell.total, metric.unit, locale)}</td>
              <td className="number share">{formatShare(cell.total, whole, locale)}</td>
              {compared && (
                <td className="number change">
                  <Change ratio={changeOf(cell.total, cell.compared)} locale={locale} />
                </td>
              )}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
};

Ranking.propTypes = {
  caption: PropTypes.string.isRequired,
  heading: PropTypes.string.isRequired,
  metric: PropTypes.object.isRequired,
  breakdown: PropTypes.object.isRequired,
  cells: PropTypes.arrayOf(PropTypes.object).isRequired,
  whole: PropTypes.number,
  compared: PropTypes.bool.isRequired,
};

Ranking.defaultProps = { whole: null };
