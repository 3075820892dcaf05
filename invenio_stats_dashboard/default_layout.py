# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The default layout of the pages."""

from typing import Any, NotRequired, TypedDict

from invenio_i18n import lazy_gettext as _

Widget = dict[str, Any]
"""``kind``, the options of that kind, and optionally ``width`` and ``title``."""


class PageTab(TypedDict):
    """A tab of a page.

    Attributes:
        key: name in addresses; unique within a layout.
        label: title, plain or lazily translated.
        rows: rows of widgets.
    """

    key: str
    label: str
    rows: list[list[Widget]]


class PageLayout(TypedDict):
    """The layout of a page, in configuration and in the data of the page.

    Attributes:
        tabs: the tabs.
        label: name that managers of communities see; for a further layout only.
    """

    tabs: list[PageTab]
    label: NotRequired[str]


FIGURES = (
    "records",
    "views",
    "downloads",
    "view_visitors",
    "downloaded_volume",
    "uploaders",
)


def _ranking(breakdown: str, *metrics: str) -> Widget:
    return {"kind": "breakdown", "breakdown": breakdown, "metrics": list(metrics)}


def _chart(*metrics: str, **options: Any) -> Widget:
    return {"kind": "chart", "metrics": list(metrics), **options}


_OVERVIEW = [
    [{"kind": "figures", "metrics": list(FIGURES)}],
    [
        _chart(
            "views",
            "downloads",
            "view_visitors",
            "download_visitors",
            "downloaded_volume",
            "records",
            "records_added",
            "stored_volume",
        )
    ],
    [{"kind": "records", "by": "views"}, {"kind": "records", "by": "downloads"}],
]

_USAGE = [
    [{"kind": "map", "metrics": ["views", "downloads", "view_visitors"]}],
    [
        _ranking("referrers", "views", "downloads"),
        _ranking("agents", "views", "downloads"),
    ],
    [
        _ranking("file_types", "downloads", "downloaded_volume"),
        _ranking("resource_types", "views", "downloads"),
    ],
    [
        _ranking("subjects", "views", "downloads"),
        _ranking("languages", "views", "downloads"),
    ],
]

_CONTENT = [
    [
        _chart(
            "records",
            "records_added",
            "records_removed",
            "files",
            "stored_volume",
            breakdown="resource_types",
        )
    ],
    [
        _ranking("resource_types", "records", "stored_volume"),
        _ranking("access_statuses", "records", "stored_volume"),
    ],
    [_ranking("subjects", "records"), _ranking("languages", "records")],
    [_ranking("affiliations", "records"), _ranking("funders", "records")],
    [_ranking("publishers", "records"), _ranking("periodicals", "records")],
    [_ranking("rights", "records"), _ranking("file_types", "records", "stored_volume")],
]

DEFAULT_LAYOUT: PageLayout = {
    "tabs": [
        {"key": "overview", "label": _("Overview"), "rows": _OVERVIEW},
        {"key": "usage", "label": _("Usage"), "rows": _USAGE},
        {"key": "content", "label": _("Content"), "rows": _CONTENT},
    ]
}
"""Tabs with rows of widgets; docs/dashboards.md describes them."""
