// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { useEffect, useRef, useState } from "react";
import { i18next } from "@translations/invenio_stats_dashboard/i18next";

/**
 * A button that opens a list of files.
 *
 * Each item has text, and either href (a file of the API) or onSelect (a function that
 * creates the file in the browser).
 */
export const DownloadMenu = ({ label, items, text }) => {
  const [open, setOpen] = useState(false);
  const box = useRef(null);
  const button = useRef(null);

  useEffect(() => {
    if (!open) {
      return undefined;
    }
    const onOutside = (event) => !box.current.contains(event.target) && setOpen(false);
    document.addEventListener("mousedown", onOutside);
    document.addEventListener("focusin", onOutside);
    return () => {
      document.removeEventListener("mousedown", onOutside);
      document.removeEventListener("focusin", onOutside);
    };
  }, [open]);

  const onKeyDown = (event) => {
    if (event.key === "Escape" && open) {
      event.stopPropagation();
      setOpen(false);
      button.current.focus();
    }
  };

  return (
    // handles the keys of the button and links inside
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div className="stats-downloads" ref={box} onKeyDown={onKeyDown}>
      <button
        type="button"
        ref={button}
        className={text ? "stats-button" : "stats-button quiet"}
        disabled={!items.length}
        aria-expanded={open}
        aria-label={text ? undefined : label}
        title={text ? undefined : i18next.t("Download")}
        onClick={() => setOpen(!open)}
      >
        <i className="download icon" aria-hidden="true" />
        {text}
      </button>
      {open && (
        <ul className="stats-downloads-list">
          {items.map((item) => (
            <li key={item.text}>
              {item.href ? (
                <a href={item.href} onClick={() => setOpen(false)} download>
                  {item.text}
                </a>
              ) : (
                <button
                  type="button"
                  onClick={() => {
                    setOpen(false);
                    item.onSelect();
                  }}
                >
                  {item.text}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
};

DownloadMenu.propTypes = {
  label: PropTypes.string.isRequired,
  items: PropTypes.arrayOf(PropTypes.object).isRequired,
  text: PropTypes.string,
};

DownloadMenu.defaultProps = { text: "" };
