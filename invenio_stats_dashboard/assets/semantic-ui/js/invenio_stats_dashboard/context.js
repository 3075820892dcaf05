// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** React contexts: the settings and the state of the page, and the API client. */

import { createContext, useContext } from "react";

export const SettingsContext = createContext(null);
export const ClientContext = createContext(null);
export const StateContext = createContext(null);

/** Return the settings of the page, from `readSettings`. */
export const useSettings = () => useContext(SettingsContext);

/** Return the state of the page and the function that changes it. */
export const useDashboardState = () => useContext(StateContext);
