// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useMemo, useState } from "react";
import { Walk } from "../components/Walk";
import { formatValue } from "../format/numbers";
import { NOTHING } from "./palette";
import { HEIGHT, isDrawn, legendOf, shadeOf, SHAPES, WIDTH } from "./worldMap";

/**
 * Show a map with countries shaded by their numbers.
 *
 * The pointer shows the number of a country. So do the arrow keys, the largest first.
 */
export const ShadedMap = ({ cells, metric, label, locale }) => {
  const [tip, setTip] = useState(null);
  const legend = useMemo(
    () => legendOf(cells, metric.unit, locale),
    [cells, metric, locale]
  );
  const byCode = useMemo(() => new Map(cells.map((cell) => [cell.id, cell])), [cells]);
  const walked = cells.filter(({ id }) => isDrawn(id));
  const words = (code) => {
    const cell = byCode.get(code);
    return {
      name: cell ? cell.label : countryName(code, locale),
      value: formatValue(cell ? cell.total : 0, metric.unit, locale),
    };
  };

  const onPointer = (event) => {
    const { code } = event.target.dataset;
    const box = event.currentTarget.getBoundingClientRect();
    setTip(
      code
        ? {
            code,
            left: event.clientX - box.left,
            right: box.right - event.clientX,
            top: event.clientY - box.top,
          }
        : null
    );
  };
  const onWalk = (index) => setTip(index === null ? null : { code: walked[index].id });

  return (
    <Walk
      label={label}
      count={walked.length}
      onGo={onWalk}
      describe={(index) =>
        `${words(walked[index].id).name}: ${words(walked[index].id).value}.`
      }
    >
      <div
        className="stats-world"
        onMouseMove={onPointer}
        onMouseLeave={() => setTip(null)}
      >
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} focusable="false">
          {Object.entries(SHAPES).map(([code, shape]) => (
            <path
              key={code}
              d={shape}
              data-code={code}
              fill={
                byCode.has(code) ? shadeOf(byCode.get(code).total, legend) : NOTHING
              }
            />
          ))}
          {tip && <path d={SHAPES[tip.code]} className="pointed" />}
        </svg>
        {tip && (
          <div className="stats-tip floating" style={tipPlace(tip)}>
            <div className="stats-tip-title">{words(tip.code).name}</div>
            {metric.label}:{" "}
            <span className="stats-tip-value">{words(tip.code).value}</span>
          </div>
        )}
      </div>
      <ul className="stats-legend">
        {legend.map(({ color, label: text }) => (
          <li key={text}>
            <span className="stats-tip-key" style={{ "--stats-key": color }} />
            {text}
          </li>
        ))}
      </ul>
    </Walk>
  );
};

ShadedMap.propTypes = {
  cells: PropTypes.arrayOf(PropTypes.object).isRequired,
  metric: PropTypes.object.isRequired,
  label: PropTypes.string.isRequired,
  locale: PropTypes.string.isRequired,
};

/** Return the position of a tip: beside the pointer; in a corner for the keyboard. */
const tipPlace = ({ left, right, top }) => {
  if (left === undefined) {
    return { left: 0, bottom: 0 };
  }
  return left < right
    ? { left: left + 14, top: top + 14 }
    : { right: right + 14, top: top + 14 };
};

const countryName = (code, locale) => {
  try {
    return new Intl.DisplayNames([locale], { type: "region" }).of(code);
  } catch (error) {
    return code;
  }
};
