# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A demonstration instance, its content and its usage events; see docs/get-started.md.

Tests and benchmarks use the same modules to make events and content.
"""
