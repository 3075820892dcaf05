// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** The world map: the shades of countries, and the map as a file. */

import { formatShort } from "../format/numbers";
import { NOTHING, SHADES, TEXT } from "./palette";
import world from "./world.json";

/** Width, height and shapes of the map, all in the same units. */
export const { width: WIDTH, height: HEIGHT, shapes: SHAPES } = world;

/** Return whether the map has a country, by its two-letter ISO 3166-1 code. */
export const isDrawn = (code) => code in SHAPES;

/** Return the items of the legend, each with min, max, color and label. */
export const legendOf = (cells, unit, locale) =>
  pieces(cells.map((cell) => cell.total)).map((piece, index, all) => ({
    ...piece,
    color: SHADES[SHADES.length - all.length + index],
    label: pieceLabel(piece, unit, locale),
  }));

/** Return the colour for a number. */
export const shadeOf = (value, legend) => {
  const found = legend.find(({ min, max }) => value >= min && value <= max);
  return found ? found.color : NOTHING;
};

/**
 * Return the ranges of the legend, min and max, from the smallest to the largest.
 *
 * Numbers of visits differ by orders of magnitude, so the ranges grow geometrically.
 */
export const pieces = (values) => {
  const known = values.filter((value) => value >= 1);
  if (!known.length) {
    return [];
  }
  const [smallest, largest] = [Math.min(...known), Math.max(...known)];
  const ends = [];
  for (let step = 1; step <= SHADES.length; step += 1) {
    const end =
      step === SHADES.length
        ? largest
        : roundly(smallest * (largest / smallest) ** (step / SHADES.length));
    if (end >= smallest && end <= largest && !ends.includes(end)) {
      ends.push(end);
    }
  }
  return ends.map((end, index) => ({
    min: index ? ends[index - 1] + 1 : smallest,
    max: end,
  }));
};

const roundly = (number) => {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(number)));
  return Math.max(1, Math.round(number / power) * power);
};

const pieceLabel = ({ min, max }, unit, locale) =>
  min === max
    ? formatShort(min, unit, locale)
    : `${formatShort(min, unit, locale)} – ${formatShort(max, unit, locale)}`;

/**
 * Return a map as the text of an SVG file, with title, subtitle and legend.
 *
 * Args:
 *   cells: list of {id, total}; id is a two-letter country code.
 *   unit, locale: of the numbers.
 *   title, subtitle: above the map.
 */
export const mapSvg = ({ cells, unit, locale, title, subtitle }) => {
  const legend = legendOf(cells, unit, locale);
  const totals = new Map(cells.map(({ id, total }) => [id, total]));
  const paths = Object.entries(SHAPES).map(
    ([code, d]) =>
      `<path d="${d}" fill="${shadeOf(
        totals.get(code),
        legend
      )}" stroke="#fff" stroke-width="0.5"/>`
  );
  const step = WIDTH / Math.max(legend.length, 1);
  const keys = legend.map(
    ({ color, label }, index) =>
      `<g transform="translate(${16 + index * step},${HEIGHT + 92})">` +
      `<rect width="18" height="12" fill="${color}"/>` +
      `<text x="24" y="11" font-size="13">${escape(label)}</text></g>`
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT + 116}"`,
    ` viewBox="0 0 ${WIDTH} ${HEIGHT + 116}"`,
    ` font-family="Helvetica, Arial, sans-serif" fill="${TEXT}">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="16" y="30" font-size="20" font-weight="bold">${escape(title)}</text>`,
    `<text x="16" y="52" font-size="14">${escape(subtitle)}</text>`,
    `<g transform="translate(0,72)">${paths.join("")}</g>`,
    ...keys,
    "</svg>",
  ].join("");
};

const escape = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
