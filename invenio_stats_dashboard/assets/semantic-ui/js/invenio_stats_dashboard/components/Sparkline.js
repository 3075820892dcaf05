// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";

const WIDTH = 100;
const HEIGHT = 24;

/**
 * Return the points of a line through values in a box, as SVG expects them.
 *
 * Unknown values are skipped.
 */
export const linePoints = (values, largest, width = WIDTH, height = HEIGHT) =>
  values
    .map((value, index) => [index, value])
    .filter(([, value]) => typeof value === "number")
    .map(([index, value]) => {
      const x = values.length > 1 ? (index / (values.length - 1)) * width : width / 2;
      const y = height - 1 - (largest ? (value / largest) * (height - 2) : 0);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");

/** A small line chart without axes. Screen readers read the figure beside it. */
export const Sparkline = ({ values }) => {
  const known = values.filter((value) => typeof value === "number");
  if (known.length < 2) {
    return null;
  }
  return (
    <svg
      className="stats-sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      focusable="false"
    >
      <polyline points={linePoints(values, Math.max(...known))} />
    </svg>
  );
};

Sparkline.propTypes = { values: PropTypes.array.isRequired };
