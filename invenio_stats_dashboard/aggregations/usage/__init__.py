# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Count usage events: daily deltas, and snapshots that continue from them."""
