// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** What can go wrong with a request, as the pages tell it apart. */

export const NETWORK = "network";
export const PERMISSION = "permission";
export const REFUSED = "refused";
export const AWAY = "away";
export const BROKEN = "broken";
export const GIVEN_UP = "given-up";

/** A request without an answer. */
export class Failure extends Error {
  /**
   * Args:
   *   kind: one of the above.
   *   message: a sentence of the API; empty when it said none.
   */
  constructor(kind, message = "") {
    super(message);
    this.kind = kind;
  }
}

/** Return the failure of an answer that is none. */
export const failureOf = async (response) => {
  let body = {};
  try {
    body = (await response.json()) || {};
  } catch (error) {
    // a proxy's page, say: its status tells enough
  }
  return new Failure(kindOf(response.status), sentence(body));
};

/** Return the failure of a request that got no answer. */
export const networkFailure = (error) =>
  new Failure(error && error.name === "AbortError" ? GIVEN_UP : NETWORK);

const kindOf = (status) => {
  if ([401, 403, 404, 410].includes(status)) {
    return PERMISSION;
  }
  if (status === 400 || status === 422) {
    return REFUSED;
  }
  return [429, 502, 503, 504].includes(status) ? AWAY : BROKEN;
};

/** Return what the API says is wrong, the details first. */
const sentence = ({ message, errors }) => {
  const details = (Array.isArray(errors) ? errors : [])
    .map((error) => error.messages)
    .flat()
    .filter((text) => typeof text === "string");
  return details.join(" ") || (typeof message === "string" ? message : "");
};
