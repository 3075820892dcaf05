# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Migrate legacy indices of usage events to enriched indices, month by month."""
