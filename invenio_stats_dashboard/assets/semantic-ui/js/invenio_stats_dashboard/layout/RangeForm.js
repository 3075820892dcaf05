// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useState } from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";
import { isDay } from "../format/dates";

/** A form for a custom period: first and last day, both included. */
export const RangeForm = ({ from, to, today, onChange }) => {
  const [first, setFirst] = useState(from);
  const [last, setLast] = useState(to);
  const [error, setError] = useState("");

  const onSubmit = (event) => {
    event.preventDefault();
    const found = errorOf(first, last, today);
    setError(found);
    if (!found) {
      onChange({ from: first, to: last });
    }
  };

  return (
    <form className="stats-range-form" onSubmit={onSubmit} noValidate>
      <label htmlFor="stats-from">{i18next.t("From")}</label>
      <input
        id="stats-from"
        type="date"
        value={first}
        max={today}
        required
        aria-invalid={Boolean(error)}
        aria-describedby="stats-range-mistake"
        onChange={(event) => setFirst(event.target.value)}
      />
      <label htmlFor="stats-to">{i18next.t("to")}</label>
      <input
        id="stats-to"
        type="date"
        value={last}
        max={today}
        required
        aria-invalid={Boolean(error)}
        aria-describedby="stats-range-mistake"
        onChange={(event) => setLast(event.target.value)}
      />
      <button type="submit" className="stats-button">
        {i18next.t("Apply")}
      </button>
      <span id="stats-range-mistake" className="stats-mistake" role="alert">
        {error}
      </span>
    </form>
  );
};

RangeForm.propTypes = {
  from: PropTypes.string.isRequired,
  to: PropTypes.string.isRequired,
  today: PropTypes.string.isRequired,
  onChange: PropTypes.func.isRequired,
};

const errorOf = (first, last, today) => {
  if (!isDay(first) || !isDay(last)) {
    return i18next.t("Enter two dates.");
  }
  if (first > last) {
    return i18next.t("The first day is after the last.");
  }
  return last > today ? i18next.t("The last day is in the future.") : "";
};
