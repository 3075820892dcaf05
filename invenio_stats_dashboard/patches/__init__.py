# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Service hooks for InvenioRDM versions that lack them.

A program for the Python of *another*, older environment, which
``apply_patches.sh`` runs there as ``python -m patches``. It uses the standard
library alone, nothing of this package, and Python 3.9 is enough for it.
"""
