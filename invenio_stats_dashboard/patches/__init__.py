# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Patch service hooks into InvenioRDM versions that lack them.

``apply_patches.sh`` runs this program as ``python -m patches`` with the Python of
*another*, older environment. The program therefore imports only the standard library,
nothing from the rest of this package, and must run with Python 3.9.
"""
