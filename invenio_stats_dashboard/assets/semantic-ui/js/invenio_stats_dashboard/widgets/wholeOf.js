// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { cellsOf, totalOf } from "../api/answers";

/**
 * Return what the shares of a breakdown are parts of: the total of the metric.
 *
 * Cells of a record with several subjects add up to more; the total does not.
 */
export const wholeOf = (answer, metric, breakdown) => {
  const total = totalOf(answer, metric.key);
  if (typeof total === "number") {
    return total;
  }
  return cellsOf(answer, metric.key, breakdown).reduce(
    (sum, cell) => sum + (cell.total || 0),
    0
  );
};
