// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** Return a text with plain spaces instead of narrow and no-break ones. */
export const plain = (text) => text.replace(/[\u00a0\u202f\u2009]/g, " ");
