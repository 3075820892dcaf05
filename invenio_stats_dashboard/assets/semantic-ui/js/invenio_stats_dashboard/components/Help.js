// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useState } from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";

/**
 * A question mark that shows a definition, by pointer, touch or keyboard.
 *
 * The text stays open while the pointer is on it. Escape closes it.
 */
export const Help = ({ about, text }) => {
  const [open, setOpen] = useState(false);
  if (!text) {
    return null;
  }
  return (
    <span
      className="stats-help"
      onMouseEnter={() => setOpen(true)}
      onMouseLeave={() => setOpen(false)}
    >
      <button
        type="button"
        aria-label={i18next.t("Help: {{about}}. {{text}}", { about, text })}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onClick={() => setOpen(true)}
        onKeyDown={(event) => event.key === "Escape" && setOpen(false)}
      >
        <i className="question circle outline icon" aria-hidden="true" />
      </button>
      {open && (
        <span className="stats-help-text" aria-hidden="true">
          {text}
        </span>
      )}
    </span>
  );
};

Help.propTypes = {
  about: PropTypes.string.isRequired,
  text: PropTypes.string,
};

Help.defaultProps = { text: "" };
