// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

const { languages } = require("./package").config;

/** `npm run extract_messages` adds missing texts to the catalogues. */
module.exports = {
  createOldCatalogs: false,
  defaultNamespace: "translations",
  defaultValue: (locale, _namespace, key) => (locale === "en" ? key : ""),
  indentation: 2,
  input: ["../../js/invenio_stats_dashboard/**/*.js"],
  keySeparator: false,
  keepRemoved: false,
  lexers: { js: ["JavascriptLexer"] },
  lineEnding: "lf",
  locales: languages,
  namespaceSeparator: false,
  output: "messages/$LOCALE/$NAMESPACE.json",
  sort: true,
  verbose: false,
};
