// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

// The stock configuration with a cache on disk, so that a second build is quick,
// and without source maps, which are a third of what is written.
const path = require("path");
const stock = require("./build/rspack.config.js");

module.exports = {
  ...stock,
  devtool: false,
  cache: {
    type: "persistent",
    storage: {
      type: "filesystem",
      directory: path.resolve(__dirname, ".rspack-cache"),
    },
  },
};
