# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Tests of the patches for older InvenioRDM, on the packages as they were released."""
