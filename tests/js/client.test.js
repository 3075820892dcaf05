// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import { describe, expect, test, vi } from "vitest";
import { createClient } from "@js/invenio_stats_dashboard/api/client";

const answer = (body, status = 200) => new Response(JSON.stringify(body), { status });

/** Return a fetch whose answers arrive when they are released. */
const slowFetch = () => {
  const waiting = [];
  const fetch = vi.fn(
    (url, { signal }) =>
      new Promise((resolve, reject) => {
        waiting.push(() => resolve(answer({ url })));
        signal.addEventListener("abort", () =>
          reject(Object.assign(new Error(), { name: "AbortError" }))
        );
      })
  );
  return { fetch, letGo: () => waiting.forEach((go) => go()) };
};

describe("the client", () => {
  test("sends one request for two callers at the same time", async () => {
    const { fetch, letGo } = slowFetch();
    const client = createClient({ fetch });
    const [one, other] = [client.ask("/a"), client.ask("/a")];
    letGo();
    expect(await one.promise).toEqual({ url: "/a" });
    expect(await other.promise).toEqual({ url: "/a" });
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  test("aborts a request when no caller waits for it any longer, and not before", async () => {
    const { fetch } = slowFetch();
    const client = createClient({ fetch });
    const [one, other] = [client.ask("/a"), client.ask("/a")];
    const failed = one.promise.catch((failure) => failure.kind);
    one.leave();
    one.leave();
    expect(fetch.mock.calls[0][1].signal.aborted).toBe(false);
    other.leave();
    expect(fetch.mock.calls[0][1].signal.aborted).toBe(true);
    expect(await failed).toBe("given-up");
  });

  test("sends a new request after an aborted one", async () => {
    const { fetch, letGo } = slowFetch();
    const client = createClient({ fetch });
    const first = client.ask("/a");
    first.promise.catch(() => {});
    first.leave();
    const second = client.ask("/a");
    letGo();
    expect(await second.promise).toEqual({ url: "/a" });
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test("caches an answer for five minutes", async () => {
    let time = 0;
    const client = createClient({
      fetch: async () => answer({ n: 1 }),
      now: () => time,
    });
    await client.ask("/a").promise;
    expect(client.peek("/a")).toEqual({ n: 1 });
    time = 5 * 60 * 1000;
    expect(client.peek("/a")).toBeUndefined();
  });

  test("caches no failure", async () => {
    const client = createClient({ fetch: async () => answer({}, 503) });
    await expect(client.ask("/a").promise).rejects.toThrow();
    expect(client.peek("/a")).toBeUndefined();
  });
});

describe("a failure has a kind", () => {
  const kind = async (response) => {
    const client = createClient({ fetch: async () => response });
    return client.ask("/a").promise.catch((failure) => [failure.kind, failure.message]);
  };

  test.each([
    [401, "permission"],
    [403, "permission"],
    [404, "permission"],
    [400, "refused"],
    [429, "away"],
    [503, "away"],
    [500, "broken"],
  ])("by its status %i: %s", async (status, expected) => {
    expect((await kind(answer({}, status)))[0]).toBe(expected);
  });

  test("and the explanation of the API", async () => {
    const body = {
      status: 400,
      message: "A parameter is wrong.",
      errors: [{ field: "from", messages: ["The first day is too early.", "Go on."] }],
    };
    expect(await kind(answer(body, 400))).toEqual([
      "refused",
      "The first day is too early. Go on.",
    ]);
  });

  test("also if the response is the page of a proxy", async () => {
    expect(await kind(new Response("<html>", { status: 502 }))).toEqual(["away", ""]);
    expect(await kind(new Response("<html>", { status: 200 }))).toEqual([
      "network",
      "",
    ]);
  });

  test("also without a network", async () => {
    const client = createClient({
      fetch: async () => {
        throw new TypeError("Failed to fetch");
      },
    });
    await expect(client.ask("/a").promise).rejects.toMatchObject({ kind: "network" });
  });
});
