// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** The answer to a question, as a widget sees it. */

import { useCallback, useContext, useEffect, useState } from "react";
import { ClientContext } from "../context";
import { GIVEN_UP } from "./failures";

/**
 * Ask, and ask again when the address changes.
 *
 * Returns:
 *   answer: the latest one, also of the question before while the next one is loading.
 *   loading: whether something is awaited.
 *   failure: what went wrong, or null.
 *   retry: ask again.
 */
export const useAnswer = (url) => {
  const client = useContext(ClientContext);
  const [round, setRound] = useState(0);
  const [seen, setSeen] = useState({ url: null, answer: undefined, failure: null });

  useEffect(() => {
    const there = client.peek(url);
    if (there) {
      setSeen({ url, answer: there, failure: null });
      return undefined;
    }
    let current = true;
    const { promise, leave } = client.ask(url);
    promise.then(
      (answer) => current && setSeen({ url, answer, failure: null }),
      (failure) =>
        current &&
        failure.kind !== GIVEN_UP &&
        setSeen({ url, answer: undefined, failure })
    );
    return () => {
      current = false;
      leave();
    };
  }, [client, url, round]);

  const retry = useCallback(() => {
    client.forget(url);
    setSeen((before) => ({ ...before, url: null, failure: null }));
    setRound((number) => number + 1);
  }, [client, url]);

  // what is kept is there at once, without a flicker
  const there = seen.url === url ? undefined : client.peek(url);
  return {
    answer: there || seen.answer,
    loading: seen.url !== url && !there,
    failure: seen.url === url ? seen.failure : null,
    retry,
  };
};
