# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Build the JavaScript and styles of a whole InvenioRDM.

The demonstration and the browser tests share the build.
"""
