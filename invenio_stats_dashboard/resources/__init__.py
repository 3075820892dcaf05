# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The REST resource: questions by HTTP, answers as JSON, CSV and XLSX."""
