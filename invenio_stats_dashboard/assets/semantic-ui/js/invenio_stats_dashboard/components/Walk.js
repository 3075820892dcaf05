// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useEffect, useState } from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";

/**
 * Make a picture usable with the keyboard and a screen reader.
 *
 * The arrow keys, Home and End move between values, and Escape leaves the picture. Each
 * value is announced as text. The picture itself is hidden from screen readers.
 *
 * Args:
 *   label: of the picture.
 *   count: number of values.
 *   onGo: called with the index of the current value, or null on leaving.
 *   describe: returns the text for an index.
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
      {/* the role lets the arrow keys through to the page, past a screen reader */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        role="application"
        aria-roledescription={i18next.t("chart")}
        aria-label={`${label} ${i18next.t(
          "Use the arrow keys to move between values."
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
