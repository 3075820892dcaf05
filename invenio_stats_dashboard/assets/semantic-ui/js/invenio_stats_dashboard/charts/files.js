// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Export charts as image files. */

import { TEXT } from "./palette";

/** Width of an image, in pixels. */
export const FILE_WIDTH = 1200;
const HEIGHT = 630;
/** Pixels of a PNG per pixel of its SVG, so that it is sharp in print. */
const SCALE = 2;

/**
 * Return the options of a chart for a file: with a title and without animation.
 *
 * Args:
 *   option: of the chart on the page.
 *   title: name of the chart.
 *   subtitle: title of the page, and the period.
 */
export const standalone = (option, title, subtitle) => ({
  ...option,
  animation: false,
  backgroundColor: "#ffffff",
  tooltip: { show: false },
  textStyle: { ...option.textStyle, fontFamily: "Helvetica, Arial, sans-serif" },
  title: {
    text: title,
    subtext: subtitle,
    left: 16,
    top: 12,
    textStyle: { color: TEXT, fontSize: 20 },
    subtextStyle: { color: TEXT, fontSize: 14 },
  },
  ...(option.legend && option.legend.top === 0
    ? { legend: { ...option.legend, top: 72, left: 16 } }
    : {}),
  ...(option.grid
    ? { grid: { ...option.grid, left: 16, right: 32, top: 72 + option.grid.top } }
    : {}),
});

/** Return a chart as the text of an SVG file. */
export const chartSvg = (echarts, option, title, subtitle) => {
  const chart = echarts.init(null, null, {
    renderer: "svg",
    ssr: true,
    width: FILE_WIDTH,
    height: HEIGHT,
  });
  try {
    chart.setOption(standalone(option, title, subtitle));
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
};

/** Return a promise of the PNG file of an SVG, as a blob. */
export const pngOf = (svg) =>
  new Promise((resolve, reject) => {
    const image = new Image();
    const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = image.naturalWidth * SCALE;
      canvas.height = image.naturalHeight * SCALE;
      const context = canvas.getContext("2d");
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      URL.revokeObjectURL(url);
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no image"))));
    };
    image.onerror = () => {
      URL.revokeObjectURL(url);
      reject(new Error("no image"));
    };
    image.src = url;
  });

/** Download a blob as a file. */
export const save = (blob, name) => {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.appendChild(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};

/** Return a file name that consists of the given parts. */
export const fileName = (parts, suffix) =>
  `${parts
    .filter(Boolean)
    .join("-")
    .toLowerCase()
    // replaces ASCII punctuation, spaces, dashes and quotes, but no letters
    .replace(/[\s!-/:-@[-`{-~\u2010-\u203a]+/g, "-")
    .replace(/^-|-$/g, "")}.${suffix}`;
