// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/**
 * The tip that follows the pointer on a chart.
 *
 * It is built from DOM nodes instead of markup, so that no label is read as HTML.
 */

const element = (name, className, text) => {
  const node = document.createElement(name);
  node.className = className;
  if (text !== undefined) {
    node.textContent = text;
  }
  return node;
};

/** Return the element of a tip: title, rows of name and value, and note. */
export const tip = ({ title, rows, note }) => {
  const box = element("div", "stats-tip");
  box.appendChild(element("div", "stats-tip-title", title));
  rows.forEach(({ name, value, color, dashed }) => {
    const row = element("div", "stats-tip-row");
    const key = element("span", dashed ? "stats-tip-key dashed" : "stats-tip-key");
    key.style.setProperty("--stats-key", color);
    row.appendChild(key);
    row.appendChild(element("span", "stats-tip-name", name));
    row.appendChild(element("span", "stats-tip-value", value));
    box.appendChild(row);
  });
  if (note) {
    box.appendChild(element("div", "stats-tip-note", note));
  }
  return box;
};
