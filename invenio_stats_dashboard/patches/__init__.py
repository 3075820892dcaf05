# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Component hooks for InvenioRDM versions that lack them.

Run by ``apply_patches.sh`` with the Python of the environment to be patched, which may
be as old as 3.8 and has no invenio-stats-dashboard: the modules here import nothing but
the standard library and each other.
"""
