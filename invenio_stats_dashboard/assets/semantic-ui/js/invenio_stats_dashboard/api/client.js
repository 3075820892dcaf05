// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/**
 * Asking the API.
 *
 * Who asks the same at the same time shares one request; it is given up when nobody waits
 * for it any longer. Answers are kept for a few minutes of the page's life, older ones are
 * asked for again, which costs little: the browser knows their ETag.
 */

import { failureOf, networkFailure } from "./failures";

const KEPT_ANSWERS = 60;
const KEPT_FOR = 5 * 60 * 1000;

/**
 * Make a client.
 *
 * Args:
 *   fetch: as the browser's own.
 *   now: a clock in milliseconds.
 */
export const createClient = ({
  fetch = (...args) => window.fetch(...args),
  now = () => Date.now(),
} = {}) => {
  const running = new Map();
  const kept = new Map();

  const keep = (url, answer) => {
    kept.delete(url);
    kept.set(url, { answer, at: now() });
    if (kept.size > KEPT_ANSWERS) {
      kept.delete(kept.keys().next().value);
    }
  };

  const begin = (url) => {
    const controller = new AbortController();
    const request = { controller, waiting: 0 };
    request.promise = fetch(url, {
      signal: controller.signal,
      credentials: "same-origin",
      headers: { Accept: "application/json" },
    })
      .then(
        (response) => read(response),
        (error) => {
          throw networkFailure(error);
        }
      )
      .then((answer) => {
        keep(url, answer);
        return answer;
      })
      .finally(() => {
        if (running.get(url) === request) {
          running.delete(url);
        }
      });
    running.set(url, request);
    return request;
  };

  return {
    /** Return an answer that is there already, or undefined. */
    peek: (url) => {
      const found = kept.get(url);
      return found && now() - found.at < KEPT_FOR ? found.answer : undefined;
    },

    /** Forget an answer, so that it is asked for again. */
    forget: (url) => kept.delete(url),

    /**
     * Ask.
     *
     * Returns a promise of the answer, which fails with a failure of `failures.js`, and
     * a function that says that nobody waits for it.
     */
    ask: (url) => {
      const request = running.get(url) || begin(url);
      request.waiting += 1;
      let left = false;
      const leave = () => {
        if (left) {
          return;
        }
        left = true;
        request.waiting -= 1;
        if (request.waiting === 0 && running.get(url) === request) {
          running.delete(url);
          request.controller.abort();
        }
      };
      return { promise: request.promise, leave };
    },
  };
};

const read = async (response) => {
  if (!response.ok) {
    throw await failureOf(response);
  }
  try {
    return await response.json();
  } catch (error) {
    throw networkFailure(error);
  }
};
