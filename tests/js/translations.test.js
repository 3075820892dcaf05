// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT
// @vitest-environment node

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { parser as Parser } from "i18next-parser";
import { describe, expect, test } from "vitest";

const ASSETS = "invenio_stats_dashboard/assets/semantic-ui";
const MESSAGES = `${ASSETS}/translations/invenio_stats_dashboard/messages`;

const catalogue = (language) =>
  JSON.parse(readFileSync(`${MESSAGES}/${language}/translations.json`, "utf8"));
const languages = readdirSync(MESSAGES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const sources = readdirSync(`${ASSETS}/js/invenio_stats_dashboard`, {
  recursive: true,
  withFileTypes: true,
})
  .filter((entry) => entry.isFile() && entry.name.endsWith(".js"))
  .map((entry) => join(entry.parentPath || entry.path, entry.name));

const keys = new Set(
  sources.flatMap((file) =>
    new Parser().parse(readFileSync(file, "utf8"), file).map(({ key }) => key)
  )
);

const placeholders = (text) => (text.match(/\{\{\w+\}\}/g) || []).sort();

describe.each(languages)("the catalogue %s", (language) => {
  const messages = catalogue(language);

  test("has all texts of the sources, and no others", () => {
    expect(Object.keys(messages).sort()).toEqual([...keys].sort());
  });

  test("has a translation for each text", () => {
    expect(Object.keys(messages).filter((key) => !messages[key].trim())).toEqual([]);
  });

  test("has the same placeholders", () => {
    Object.entries(messages).forEach(([key, text]) =>
      expect(placeholders(text), key).toEqual(placeholders(key))
    );
  });
});

test("the English texts are the keys", () => {
  Object.entries(catalogue("en")).forEach(([key, text]) => expect(text).toBe(key));
});

test("there are texts in three languages", () => {
  expect(keys.size).toBeGreaterThan(80);
  expect(languages.sort()).toEqual(["de", "en", "fr"]);
});
