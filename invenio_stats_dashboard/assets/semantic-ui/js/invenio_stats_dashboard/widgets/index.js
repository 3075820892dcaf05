// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** The widgets by kind; a site can override each of them by its id. */

import Overridable from "react-overridable";
import { Breakdown } from "./Breakdown";
import { Figures } from "./Figures";
import { Records } from "./Records";
import { Text } from "./Text";
import { TimeChart } from "./TimeChart";
import { WorldMap } from "./WorldMap";

const named = (name, component) =>
  Overridable.component(`InvenioStatsDashboard.${name}`, component);

export const WIDGETS = {
  figures: named("Figures", Figures),
  chart: named("TimeChart", TimeChart),
  breakdown: named("Breakdown", Breakdown),
  map: named("WorldMap", WorldMap),
  records: named("Records", Records),
  text: named("Text", Text),
};
