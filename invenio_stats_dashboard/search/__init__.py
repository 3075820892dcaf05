# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Tools for OpenSearch: names, templates, bookmarks, reads, writes, health, locks."""
