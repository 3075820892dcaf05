// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { cellsOf, totalOf } from "../api/answers";

/**
 * Return the number that the shares of a breakdown refer to: the total of the metric.
 *
 * Values can add up to more, since a record with several subjects counts in each.
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
