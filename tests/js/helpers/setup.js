// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { cleanup, configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";

// whether an element is hidden is asked of the styles, which takes most of the time
configure({ defaultHidden: true, asyncUtilTimeout: 5000 });

// what jsdom has not: the width of a text, which ECharts asks for
if (typeof window !== "undefined") {
  window.HTMLCanvasElement.prototype.getContext = () => null;
}

// what ECharts says of a page without a layout
vi.spyOn(console, "warn").mockImplementation(() => {});

afterEach(() => {
  cleanup();
  if (typeof window !== "undefined") {
    window.history.replaceState(null, "", "/");
  }
});
