// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

// The stock configuration with a cache on disk, so that a second build is quick, and
// without source maps, which are a third of the output. Of the scripts, only those of
// this package are minified: minifying all of InvenioRDM's takes five times as long as
// everything else.
const path = require("path");
const rspack = require("@rspack/core");
const stock = require("./build/rspack.config.js");

const [scripts, styles] = stock.optimization.minimizer;
const options = scripts._args?.[0];

module.exports = {
  ...stock,
  devtool: false,
  optimization: {
    ...stock.optimization,
    minimizer: [
      new rspack.SwcJsMinimizerRspackPlugin({
        ...options,
        test: /invenio-stats-dashboard\..*\.js$/,
      }),
      styles,
    ],
  },
  cache: {
    type: "persistent",
    storage: {
      type: "filesystem",
      directory: path.resolve(__dirname, ".rspack-cache"),
    },
  },
};
