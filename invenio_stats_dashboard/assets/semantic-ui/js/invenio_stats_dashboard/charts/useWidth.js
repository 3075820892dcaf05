// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Measure the width that is available for a chart. */

import { useEffect, useRef, useState } from "react";

const USUAL = 800;

/** Return a ref for an element, and its current width in pixels. */
export const useWidth = () => {
  const ref = useRef(null);
  const [width, setWidth] = useState(USUAL);
  useEffect(() => {
    const measure = () => setWidth(ref.current.clientWidth || USUAL);
    measure();
    if (!window.ResizeObserver) {
      return undefined;
    }
    const observer = new ResizeObserver(measure);
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
};
