// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  isDrawn,
  legendOf,
  mapSvg,
  pieces,
  shadeOf,
} from "@js/invenio_stats_dashboard/charts/worldMap";

const CELLS = [
  { id: "DE", label: "Germany", total: 900 },
  { id: "SG", label: "Singapore", total: 90 },
  { id: "XK", label: "Kosovo", total: 3 },
];

describe("the world map", () => {
  test("has countries by their two letters, small ones included", () => {
    expect(
      ["DE", "US", "NO", "FR", "XK", "TW", "SG", "MT", "VA"].map(isDrawn)
    ).not.toContain(false);
    expect(isDrawn("unknown")).toBe(false);
  });

  test("has the shapes that the script generates", () => {
    const made = join(tmpdir(), `world-${process.pid}.json`);
    execFileSync("node", ["scripts/world-map.js", made]);
    expect(
      readFileSync(
        "invenio_stats_dashboard/assets/semantic-ui/js/invenio_stats_dashboard/charts/world.json",
        "utf8"
      )
    ).toBe(readFileSync(made, "utf8"));
  });

  test("has a legend without gaps and overlaps", () => {
    [[1], [1, 2], [3, 7], [17, 900], [1, 123456], [850, 900], [5, 5]].forEach(
      (values) => {
        const found = pieces(values);
        expect(found[0].min).toBe(Math.min(...values));
        expect(found[found.length - 1].max).toBe(Math.max(...values));
        found.forEach(({ min, max }) => expect(min).toBeLessThanOrEqual(max));
        found
          .slice(1)
          .forEach((piece, index) => expect(piece.min).toBe(found[index].max + 1));
      }
    );
    expect(pieces([])).toEqual([]);
    expect(pieces([0])).toEqual([]);
  });

  test("shades the largest number with the darkest colour, and zero with none", () => {
    const legend = legendOf(CELLS, "count", "en");
    expect(shadeOf(900, legend)).toBe("#08306b");
    expect(shadeOf(3, legend)).toBe("#deebf7");
    expect(shadeOf(0, legend)).toBe("#f1f1f1");
    expect(shadeOf(undefined, legend)).toBe("#f1f1f1");
  });

  test("is a file with title and legend, in which markup in a label is text", () => {
    const svg = mapSvg({
      cells: CELLS,
      unit: "count",
      locale: "en",
      title: "Views <by> & Countries",
      subtitle: "2026",
    });
    expect(svg).toContain("Views &#60;by&#62; &#38; Countries");
    expect(svg.match(/<path/g).length).toBeGreaterThan(230);
    expect(
      new DOMParser().parseFromString(svg, "image/svg+xml").querySelector("parsererror")
    ).toBe(null);
  });
});
