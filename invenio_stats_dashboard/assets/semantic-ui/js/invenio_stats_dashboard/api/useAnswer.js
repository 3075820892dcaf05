// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Request answers of the API from a component. */

import { useCallback, useContext, useEffect, useState } from "react";
import { ClientContext } from "../context";
import { GIVEN_UP } from "./failures";

/**
 * Request an answer, and another one when the address changes.
 *
 * Returns:
 *   answer: the latest one; that of the previous address while a request is running.
 *   loading: whether a request is running.
 *   failure: a `Failure`, or null.
 *   retry: a function that sends the request again.
 */
export const useAnswer = (url) => {
  const client = useContext(ClientContext);
  const [round, setRound] = useState(0);
  const [seen, setSeen] = useState({ url: null, answer: undefined, failure: null });

  useEffect(() => {
    const cached = client.peek(url);
    if (cached) {
      setSeen({ url, answer: cached, failure: null });
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

  // a cached answer is shown at once, without a flicker
  const cached = seen.url === url ? undefined : client.peek(url);
  return {
    answer: cached || seen.answer,
    loading: seen.url !== url && !cached,
    failure: seen.url === url ? seen.failure : null,
    retry,
  };
};
