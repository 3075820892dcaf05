# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""OpenSearch tools: names, templates, bookmarks, reading, writing, health, locks."""
