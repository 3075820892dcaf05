// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";

/** A plain text of the layout, with empty lines between paragraphs. */
export const Text = ({ widget }) => (
  <section className="stats-panel stats-text" aria-label={widget.heading || undefined}>
    {widget.heading && <h2 className="stats-panel-title">{widget.heading}</h2>}
    {widget.text.split(/\n\s*\n/).map((paragraph) => (
      <p key={paragraph}>{paragraph}</p>
    ))}
  </section>
);

Text.propTypes = { widget: PropTypes.object.isRequired };
