// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import i18n from "i18next";
import LanguageDetector from "i18next-browser-languagedetector";
import { translations } from "./messages";

const options = {
  fallbackLng: "en",
  returnEmptyString: false,
  resources: translations,
  // the keys are the English texts, with periods and colons
  keySeparator: false,
  nsSeparator: false,
  detection: {
    order: ["htmlTag"],
    caches: [],
  },
  // React already escapes values
  interpolation: { escapeValue: false },
};

const i18next = i18n.createInstance();
i18next.use(LanguageDetector).init(options);

export { i18next };
