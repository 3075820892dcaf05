// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/**
 * Generate the shapes of the world map: `node scripts/world-map.js`.
 *
 * They come from Natural Earth (public domain) through the npm package world-atlas, in
 * the Equal Earth projection, which preserves the relative areas of countries. Countries
 * that are too small to be seen become a dot.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { geoEqualEarth, geoPath } from "d3-geo";
import { feature } from "topojson-client";
import { alpha2 } from "../invenio_stats_dashboard/assets/semantic-ui/js/invenio_stats_dashboard/charts/countries.js";

const OUTPUT =
  "invenio_stats_dashboard/assets/semantic-ui/js/invenio_stats_dashboard/charts/world.json";
const WIDTH = 1000;
const DOT = 3;
const ANTARCTICA = "AQ";
/** Codes of shapes without a number; visits from Kosovo have the code XK. */
const WITHOUT_NUMBER = { "Kosovo": "XK", "N. Cyprus": "CY", "Somaliland": "SO" };

const atlas = (scale) => {
  const path = createRequire(import.meta.url).resolve(`world-atlas/countries-${scale}.json`);
  const world = JSON.parse(readFileSync(path, "utf8"));
  return feature(world, world.objects.countries)
    .features.map((shape) => ({
      ...shape,
      code: alpha2(shape.id) || WITHOUT_NUMBER[shape.properties.name],
    }))
    .filter(({ code }) => code && code !== ANTARCTICA);
};

const large = atlas("110m");
const projection = geoEqualEarth().fitWidth(WIDTH, {
  type: "FeatureCollection",
  features: large,
});
const path = geoPath(projection).digits(0);

/** Return a path of relative steps, which is half as long. */
const relative = (absolute) =>
  absolute
    .split("Z")
    .filter(Boolean)
    .map((ring) => {
      const points = ring
        .slice(1)
        .split("L")
        .map((point) => point.split(",").map(Number));
      const steps = points
        .slice(1)
        .map(([x, y], index) => [x - points[index][0], y - points[index][1]])
        .filter(([x, y]) => x || y);
      const text = steps.map(([x, y]) => `${x}${y < 0 ? "" : " "}${y}`);
      return steps.length > 1 ? `M${points[0].join(" ")}l${text.join(" ")}z` : "";
    })
    .join("");

const shapes = {};
large.forEach((shape) => {
  shapes[shape.code] = (shapes[shape.code] || "") + relative(path(shape));
});
atlas("50m").forEach((shape) => {
  if (!shapes[shape.code]) {
    const [x, y] = path.centroid(shape).map(Math.round);
    shapes[shape.code] = `M${x - DOT} ${y}a${DOT} ${DOT} 0 1 0 ${2 * DOT} 0a${DOT} ${DOT} 0 1 0 ${-2 * DOT} 0z`;
  }
});

const [, [, bottom]] = path.bounds({ type: "FeatureCollection", features: large });
const world = {
  width: WIDTH,
  height: Math.ceil(bottom),
  shapes: Object.fromEntries(Object.entries(shapes).sort(([a], [b]) => (a < b ? -1 : 1))),
};
writeFileSync(process.argv[2] || OUTPUT, `${JSON.stringify(world, null, 1)}\n`);
