// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React from "react";

/** A labelled `select` element, which keyboards and screen readers support natively. */
export const Select = ({ id, label, value, choices, onChange, hideLabel }) => (
  <span className="stats-select">
    <label htmlFor={id} className={hideLabel ? "stats-hidden" : ""}>
      {label}
    </label>
    <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
      {choices.map((choice) => (
        <option key={choice.value} value={choice.value}>
          {choice.text}
        </option>
      ))}
    </select>
  </span>
);

Select.propTypes = {
  id: PropTypes.string.isRequired,
  label: PropTypes.string.isRequired,
  value: PropTypes.string.isRequired,
  choices: PropTypes.arrayOf(PropTypes.object).isRequired,
  onChange: PropTypes.func.isRequired,
  hideLabel: PropTypes.bool,
};

Select.defaultProps = { hideLabel: false };
