// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const assets = (path) =>
  fileURLToPath(
    new URL(`./invenio_stats_dashboard/assets/semantic-ui/${path}`, import.meta.url)
  );

// The aliases are those that the application's own build has. Its sources are JSX in
// files named *.js.
export default defineConfig({
  esbuild: { loader: "jsx", include: /\.js$/, exclude: /node_modules/ },
  optimizeDeps: { esbuildOptions: { loader: { ".js": "jsx" } } },
  resolve: {
    alias: {
      "@js/invenio_stats_dashboard": assets("js/invenio_stats_dashboard"),
      "@less/invenio_stats_dashboard": assets("less/invenio_stats_dashboard"),
      "@translations/invenio_stats_dashboard": assets(
        "translations/invenio_stats_dashboard"
      ),
    },
  },
  test: {
    environment: "jsdom",
    include: ["tests/js/**/*.test.js"],
    setupFiles: ["tests/js/helpers/setup.js"],
    restoreMocks: true,
    testTimeout: 30000,
    // one page for all files: making one takes longer than the tests do
    pool: "threads",
    isolate: false,
    poolOptions: { threads: { singleThread: true } },
  },
});
