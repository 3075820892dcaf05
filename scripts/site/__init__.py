# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The JavaScript and styles of a whole InvenioRDM, built once, and a web server.

The demonstration and the browser tests share what is built.
"""
