// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Store the state of the page in its address. */

import { useCallback, useEffect, useState } from "react";
import { formatState, parseState } from "./state";

/**
 * Store the state in the address, so that it can be shared and the back button works.
 *
 * Returns the state and a function that changes it: `change({ tab: "usage" })`.
 */
export const useAddress = (defaults) => {
  const [state, setState] = useState(() =>
    parseState(window.location.search, defaults)
  );

  useEffect(() => {
    const onBack = () => setState(parseState(window.location.search, defaults));
    window.addEventListener("popstate", onBack);
    return () => window.removeEventListener("popstate", onBack);
  }, [defaults]);

  const change = useCallback(
    (changes) => {
      const { pathname, search, hash } = window.location;
      const now = parseState(search, defaults);
      const next = {
        ...now,
        ...(typeof changes === "function" ? changes(now) : changes),
      };
      const address = formatState(next, defaults, search);
      if (address !== search) {
        window.history.pushState(null, "", pathname + address + hash);
      }
      setState(next);
    },
    [defaults]
  );

  return [state, change];
};
