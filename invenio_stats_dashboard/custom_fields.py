# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Custom fields with which the managers of a community configure its page.

To offer these fields, a site adds them to ``invenio.cfg``::

    COMMUNITIES_NAMESPACES = {**DASHBOARD_NAMESPACE}
    COMMUNITIES_CUSTOM_FIELDS = [*DASHBOARD_CUSTOM_FIELDS]
    COMMUNITIES_CUSTOM_FIELDS_UI = [DASHBOARD_CUSTOM_FIELDS_UI]
"""

from typing import Any

from invenio_i18n import lazy_gettext as _
from invenio_records_resources.services.custom_fields import BooleanCF, KeywordCF

ENABLED = "stats:dashboard_enabled"
"""Field: whether the community has a page."""

LAYOUT = "stats:dashboard_layout"
"""Field: name of the layout of its page."""

DASHBOARD_NAMESPACE: dict[str, str | None] = {"stats": None}
"""For ``COMMUNITIES_NAMESPACES``."""

DASHBOARD_CUSTOM_FIELDS = [BooleanCF(name=ENABLED), KeywordCF(name=LAYOUT)]
"""For ``COMMUNITIES_CUSTOM_FIELDS``."""

DASHBOARD_CUSTOM_FIELDS_UI: dict[str, Any] = {
    "section": _("Statistics"),
    "fields": [
        {
            "field": ENABLED,
            "ui_widget": "BooleanCheckbox",
            # the "About" page of a community shows this as a link to its statistics
            "template": "invenio_stats_dashboard/custom_fields/enabled.html",
            "props": {
                "label": _("Statistics page"),
                "trueLabel": _("Shown"),
                "falseLabel": _("Not shown"),
                "labelIcon": "chart bar",
                "required": False,
            },
        },
        {
            "field": LAYOUT,
            "ui_widget": "Dropdown",
            "template": "invenio_stats_dashboard/custom_fields/layout.html",
            "props": {
                "label": _("Layout of the statistics page"),
                "placeholder": _("Default layout"),
                "labelIcon": "columns",
                "helpText": _("What the page shows, and in which order."),
                "options": [],
                "search": False,
                "multiple": False,
                "clearable": True,
                "required": False,
            },
        },
    ],
}
"""For ``COMMUNITIES_CUSTOM_FIELDS_UI``: a section of the community's settings."""
