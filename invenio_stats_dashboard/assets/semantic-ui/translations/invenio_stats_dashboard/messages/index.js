// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import TRANSLATE_DE from "./de/translations.json";
import TRANSLATE_FR from "./fr/translations.json";

export const translations = {
  de: { translation: TRANSLATE_DE },
  // the keys are the English texts, so this catalogue is for translators only
  en: { translation: {} },
  fr: { translation: TRANSLATE_FR },
};
