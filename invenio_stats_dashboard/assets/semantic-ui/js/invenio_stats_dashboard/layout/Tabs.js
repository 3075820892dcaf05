// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useRef } from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";

/** The tabs of the page; the arrow keys move between them. */
export const Tabs = ({ tabs, active, onChange }) => {
  const list = useRef(null);

  const onKeyDown = (event) => {
    const now = tabs.findIndex(({ id }) => id === active);
    const next = {
      ArrowRight: (now + 1) % tabs.length,
      ArrowLeft: (now + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      onChange(tabs[next].id);
      list.current.children[next].focus();
    }
  };

  return (
    <div
      className="stats-tabs"
      role="tablist"
      aria-label={i18next.t("Sections")}
      ref={list}
      onKeyDown={onKeyDown}
      tabIndex={-1}
    >
      {tabs.map(({ id, label }) => (
        <button
          key={id}
          type="button"
          role="tab"
          id={`stats-tab-${id}`}
          aria-selected={id === active}
          aria-controls="stats-tab-panel"
          tabIndex={id === active ? 0 : -1}
          onClick={() => onChange(id)}
        >
          {label}
        </button>
      ))}
    </div>
  );
};

Tabs.propTypes = {
  tabs: PropTypes.arrayOf(PropTypes.object).isRequired,
  active: PropTypes.string.isRequired,
  onChange: PropTypes.func.isRequired,
};
