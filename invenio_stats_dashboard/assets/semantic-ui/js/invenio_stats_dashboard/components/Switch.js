// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";

/** Two or three choices as buttons side by side. */
export const Switch = ({ label, value, choices, onChange }) => (
  <div className="stats-switch" role="group" aria-label={label}>
    {choices.map((choice) => (
      <button
        key={choice.value}
        type="button"
        aria-pressed={choice.value === value}
        onClick={() => onChange(choice.value)}
      >
        {choice.text}
      </button>
    ))}
  </div>
);

Switch.propTypes = {
  label: PropTypes.string.isRequired,
  value: PropTypes.string.isRequired,
  choices: PropTypes.arrayOf(PropTypes.object).isRequired,
  onChange: PropTypes.func.isRequired,
};
