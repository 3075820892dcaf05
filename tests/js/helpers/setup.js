// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { cleanup, configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";

// to compute from styles whether elements are hidden would take most of the time
configure({ defaultHidden: true, asyncUtilTimeout: 5000 });

// jsdom cannot measure text, which ECharts needs
if (typeof window !== "undefined") {
  window.HTMLCanvasElement.prototype.getContext = () => null;
}

// ECharts warns about pages without a layout
vi.spyOn(console, "warn").mockImplementation(() => {});

afterEach(() => {
  cleanup();
  if (typeof window !== "undefined") {
    window.history.replaceState(null, "", "/");
  }
});
