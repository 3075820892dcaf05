// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { Change } from "../components/Change";
import { formatBucket } from "../format/dates";
import { changeOf, formatValue } from "../format/numbers";

/** The numbers of a time chart, a row for each interval. */
export const ChartTable = ({ data, caption }) => {
  const { buckets, interval, series, compared, unit, locale, kind, cumulative } = data;
  const adds = kind === "flow" && !cumulative;
  return (
    // the keyboard must reach an element that scrolls
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="stats-table-frame" tabIndex={0} role="group" aria-label={caption}>
      <table className="stats-table">
        <caption className="stats-hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">{i18next.t("Interval")}</th>
            {series.map(({ name }) => (
              <th key={name} scope="col" className="number">
                {name}
              </th>
            ))}
            {compared && (
              <>
                <th scope="col" className="number">
                  {compared.name}
                </th>
                <th scope="col" className="number">
                  {i18next.t("Change")}
                </th>
              </>
            )}
          </tr>
        </thead>
        <tbody>
          {buckets.map((bucket, index) => (
            <tr key={bucket.start}>
              <th scope="row">{formatBucket(bucket, interval, locale)}</th>
              {series.map(({ name, values }) => (
                <td key={name} className="number">
                  {formatValue(values[index], unit, locale)}
                </td>
              ))}
              {compared && (
                <>
                  <td className="number">
                    {formatValue(compared.values[index], unit, locale)}
                  </td>
                  <td className="number">
                    <Change
                      ratio={changeOf(series[0].values[index], compared.values[index])}
                      locale={locale}
                    />
                  </td>
                </>
              )}
            </tr>
          ))}
        </tbody>
        {adds && series.length === 1 && (
          <tfoot>
            <tr>
              <th scope="row">{i18next.t("Total")}</th>
              <td className="number">{formatValue(data.total, unit, locale)}</td>
              {compared && (
                <>
                  <td className="number">
                    {formatValue(data.comparedTotal, unit, locale)}
                  </td>
                  <td className="number">
                    <Change
                      ratio={changeOf(data.total, data.comparedTotal)}
                      locale={locale}
                    />
                  </td>
                </>
              )}
            </tr>
          </tfoot>
        )}
      </table>
    </div>
  );
};

ChartTable.propTypes = {
  data: PropTypes.object.isRequired,
  caption: PropTypes.string.isRequired,
};
