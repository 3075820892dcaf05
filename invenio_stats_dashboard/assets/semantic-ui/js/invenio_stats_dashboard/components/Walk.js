// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useEffect, useState } from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";

/**
 * A picture that can be walked through with the keyboard.
 *
 * The arrow keys, Home and End go from point to point, Escape leaves; each point is told
 * as text. What is inside is for the eyes only.
 *
 * Args:
 *   label: what it shows.
 *   count: number of points.
 *   onGo: told the point that is gone to, null when it is left.
 *   describe: returns the text of a point.
 */
export const Walk = ({ label, count, onGo, describe, children }) => {
  const [place, setPlace] = useState(null);

  useEffect(() => setPlace(null), [count]);

  const go = (next) => {
    setPlace(next);
    onGo(next);
  };
  const leave = () => place !== null && go(null);

  const onKeyDown = (event) => {
    const last = count - 1;
    const next = {
      ArrowRight: place === null ? 0 : Math.min(place + 1, last),
      ArrowLeft: place === null ? last : Math.max(place - 1, 0),
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape") {
      leave();
    } else if (next !== undefined && count) {
      event.preventDefault();
      go(next);
    }
  };

  return (
    <div className="stats-walk">
      {/* an application takes the arrow keys itself, also from a screen reader */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        role="application"
        aria-roledescription={i18next.t("chart")}
        aria-label={`${label} ${i18next.t(
          "Use the arrow keys to go through the points."
        )}`}
        tabIndex={0} // eslint-disable-line jsx-a11y/no-noninteractive-tabindex
        onKeyDown={onKeyDown}
        onBlur={leave}
      >
        <div aria-hidden="true">{children}</div>
      </div>
      <div className="stats-hidden" role="status">
        {place !== null && place < count ? describe(place) : ""}
      </div>
    </div>
  );
};

Walk.propTypes = {
  label: PropTypes.string.isRequired,
  count: PropTypes.number.isRequired,
  onGo: PropTypes.func.isRequired,
  describe: PropTypes.func.isRequired,
  children: PropTypes.node.isRequired,
};
