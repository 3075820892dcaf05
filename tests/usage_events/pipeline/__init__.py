# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Tests of the path from the queue to the index, with a real broker and worker."""
