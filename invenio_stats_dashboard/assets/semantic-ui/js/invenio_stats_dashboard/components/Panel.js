// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";

/** The frame of a widget: heading, controls and content. */
export const Panel = ({ id, title, help, controls, loading, children, className }) => (
  <section
    className={`stats-panel ${className}`}
    aria-labelledby={`${id}-title`}
    aria-busy={loading}
  >
    <header className="stats-panel-header">
      <div className="stats-panel-title">
        <h2 id={`${id}-title`}>{title}</h2>
        {help}
      </div>
      {controls && <div className="stats-panel-controls">{controls}</div>}
    </header>
    <div className={loading ? "stats-panel-body loading" : "stats-panel-body"}>
      {children}
    </div>
  </section>
);

Panel.propTypes = {
  id: PropTypes.string.isRequired,
  title: PropTypes.node.isRequired,
  help: PropTypes.node,
  controls: PropTypes.node,
  loading: PropTypes.bool,
  children: PropTypes.node,
  className: PropTypes.string,
};

Panel.defaultProps = {
  help: null,
  controls: null,
  loading: false,
  children: null,
  className: "",
};
