// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Run hooks outside a page. */

import { act, render } from "@testing-library/react";
import React from "react";

export { act };

/** Run a hook in a component; `result.current` is its latest result. */
export const renderHook = (hook) => {
  const result = {};
  const Host = () => {
    result.current = hook();
    return null;
  };
  const { rerender, unmount } = render(<Host />);
  return { result, rerender: () => rerender(<Host />), unmount };
};
