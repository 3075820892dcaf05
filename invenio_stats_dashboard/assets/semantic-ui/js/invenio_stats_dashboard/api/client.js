// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/**
 * Send requests to the API.
 *
 * Callers that ask for the same address at the same time share one request, which is
 * aborted when none of them waits for it any longer. Answers are cached for five
 * minutes. To request an older one again costs little: the browser sends its ETag.
 */

import { failureOf, networkFailure } from "./failures";

const CACHED_ANSWERS = 60;
const CACHED_FOR = 5 * 60 * 1000;

/**
 * Create a client.
 *
 * Args:
 *   fetch: with the signature of `window.fetch`.
 *   now: returns the current time in milliseconds.
 */
export const createClient = ({
  fetch = (...args) => window.fetch(...args),
  now = () => Date.now(),
} = {}) => {
  const running = new Map();
  const cache = new Map();

  const store = (url, answer) => {
    cache.delete(url);
    cache.set(url, { answer, at: now() });
    if (cache.size > CACHED_ANSWERS) {
      cache.delete(cache.keys().next().value);
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
        store(url, answer);
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
    /** Return a cached answer, or undefined. */
    peek: (url) => {
      const found = cache.get(url);
      return found && now() - found.at < CACHED_FOR ? found.answer : undefined;
    },

    /** Remove an answer from the cache. */
    forget: (url) => cache.delete(url),

    /**
     * Request an answer.
     *
     * Returns: promise, which resolves to the answer or rejects with a `Failure`, and
     *   leave: a function to call when the answer is no longer wanted.
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
