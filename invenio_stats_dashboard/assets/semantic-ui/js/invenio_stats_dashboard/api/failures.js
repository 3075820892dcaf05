// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Kinds of failed requests. */

export const NETWORK = "network";
export const PERMISSION = "permission";
export const REFUSED = "refused";
export const AWAY = "away";
export const BROKEN = "broken";
export const GIVEN_UP = "given-up";

/** A failed request. */
export class Failure extends Error {
  /**
   * Args:
   *   kind: one of the constants above.
   *   message: the API's explanation; empty if it sent none.
   */
  constructor(kind, message = "") {
    super(message);
    this.kind = kind;
  }
}

/** Return the failure for a response with an error status. */
export const failureOf = async (response) => {
  let body = {};
  try {
    body = (await response.json()) || {};
  } catch (error) {
    // not JSON, for example the error page of a proxy: the status is enough
  }
  return new Failure(kindOf(response.status), sentence(body));
};

/** Return the failure for a request without a response. */
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

/** Return the API's explanation: the messages of its errors, else its own message. */
const sentence = ({ message, errors }) => {
  const details = (Array.isArray(errors) ? errors : [])
    .map((error) => error.messages)
    .flat()
    .filter((text) => typeof text === "string");
  return details.join(" ") || (typeof message === "string" ? message : "");
};
