// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useEffect, useMemo, useState } from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { definitionOf, OTHER, UNKNOWN } from "../api/answers";
import { fileName } from "../charts/files";
import { DownloadMenu } from "../components/DownloadMenu";
import { pictureFiles, tableFiles } from "../components/downloads";
import { Help } from "../components/Help";
import { Panel } from "../components/Panel";
import { Ranking } from "../components/Ranking";
import { Answer, Loading } from "../components/states";
import { useSettings } from "../context";
import { formatRange } from "../format/dates";
import { singularOf } from "../metrics";
import { useRanking } from "./useRanking";

/** A number larger than that of all countries. */
const ALL = 300;

/** The countries of visitors: a map, and a table beside it. */
export const WorldMap = ({ widget }) => {
  const settings = useSettings();
  const map = useMapModule();
  const ranking = useRanking(widget, ALL);
  const { metric, title, name, question, asked } = ranking;

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
            items={[
              ...tableFiles(settings.endpoint, question),
              ...(asked.answer && map.loaded
                ? mapFiles(map.loaded, asked.answer, ranking, settings)
                : []),
            ]}
          />
        </>
      }
    >
      <Answer
        asked={asked}
        metric={metric.label}
        isEmpty={(answer) => !ranking.read(answer).whole}
        lines={10}
      >
        {(answer) => (
          <div className="stats-map">
            <div className="stats-map-chart">
              {map.failed ? (
                <p className="stats-small">
                  {i18next.t(
                    "The map could not be loaded. The table shows the same numbers."
                  )}
                </p>
              ) : map.loaded ? (
                <MapFigure module={map.loaded} answer={answer} ranking={ranking} />
              ) : (
                <Loading lines={8} />
              )}
            </div>
            <CountryTable answer={answer} ranking={ranking} top={widget.top} />
          </div>
        )}
      </Answer>
    </Panel>
  );
};

WorldMap.propTypes = { widget: PropTypes.object.isRequired };

/** Load the modules of the map, which other pages do not need. */
const useMapModule = () => {
  const [map, setMap] = useState({ loaded: null, failed: false });
  useEffect(() => {
    let current = true;
    Promise.all([import("../charts/worldMap"), import("../charts/ShadedMap")]).then(
      ([shapes, picture]) =>
        current && setMap({ loaded: { ...shapes, ...picture }, failed: false }),
      () => current && setMap({ loaded: null, failed: true })
    );
    return () => {
      current = false;
    };
  }, []);
  return map;
};

const MapFigure = ({ module, answer, ranking }) => {
  const { locale } = useSettings();
  const { ShadedMap } = module;
  const { metric, name } = ranking;
  const { cells, summary } = ranking.read(answer);
  // the cells depend on the answer and the metric only
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const countries = useMemo(() => countriesOf(cells), [answer, metric]);
  return (
    <figure className="stats-figure-frame">
      <ShadedMap cells={countries} metric={metric} label={`${name}.`} locale={locale} />
      <figcaption className="stats-summary">{summary}</figcaption>
    </figure>
  );
};

MapFigure.propTypes = {
  module: PropTypes.object.isRequired,
  answer: PropTypes.object.isRequired,
  ranking: PropTypes.object.isRequired,
};

const CountryTable = ({ answer, ranking, top }) => {
  const [more, setMore] = useState(false);
  const { metric, breakdown, name } = ranking;
  const { cells, whole } = ranking.read(answer);
  const shown = more ? cells : cells.slice(0, top);
  return (
    <div className="stats-map-table">
      <Ranking
        caption={name}
        heading={singularOf(breakdown)}
        metric={metric}
        breakdown={breakdown}
        cells={shown}
        whole={whole}
        compared={Boolean(answer.comparison)}
      />
      {cells.length > top && (
        <button
          type="button"
          className="stats-button quiet stats-more"
          aria-expanded={more}
          onClick={() => setMore(!more)}
        >
          {more
            ? i18next.t("Show fewer")
            : i18next.t("Show all {{number}}", { number: cells.length })}
        </button>
      )}
    </div>
  );
};

CountryTable.propTypes = {
  answer: PropTypes.object.isRequired,
  ranking: PropTypes.object.isRequired,
  top: PropTypes.number.isRequired,
};

const countriesOf = (cells) => cells.filter(({ id }) => id !== OTHER && id !== UNKNOWN);

const mapFiles = (module, answer, ranking, { title, locale }) => {
  const { metric, name } = ranking;
  const svg = () =>
    module.mapSvg({
      cells: countriesOf(ranking.read(answer).cells),
      unit: metric.unit,
      locale,
      title: name,
      subtitle: [title, formatRange(answer.from, answer.to, locale)]
        .filter(Boolean)
        .join(" · "),
    });
  return pictureFiles(svg, (suffix) =>
    fileName([title, name, answer.from, answer.to], suffix)
  );
};
