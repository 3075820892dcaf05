# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Index templates."""


def register_templates(app):
    """See that the index templates are in the cluster."""
