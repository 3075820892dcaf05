# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Collect the data that a page passes to its JavaScript, in attributes of an element.

The content security policy of a site forbids inline scripts.
"""

from typing import Any

from babel import Locale
from flask import current_app
from flask_babel import lazy_pgettext as pgettext
from flask_security.utils import url_for_security
from invenio_i18n import get_locale

from ..proxies import current_stats_dashboard
from ..queries.metrics import METRICS, Metric
from ..subcounts import Subcount
from .layout import choose, resolve

_SINGULAR = {
    "resource_types": pgettext("one value", "Resource type"),
    "access_statuses": pgettext("one value", "Access status"),
    "languages": pgettext("one value", "Language"),
    "subjects": pgettext("one value", "Subject"),
    "rights": pgettext("one value", "License"),
    "funders": pgettext("one value", "Funder"),
    "affiliations": pgettext("one value", "Affiliation"),
    "publishers": pgettext("one value", "Publisher"),
    "periodicals": pgettext("one value", "Journal"),
    "file_types": pgettext("one value", "File type"),
    "countries": pgettext("one value", "Country"),
    "referrers": pgettext("one value", "Referrer"),
    "agents": pgettext("one value", "Visitor type"),
}
"""Key of a breakdown -> label of one of its values, for column headings."""


def page_data(
    endpoint: str,
    layout: str | None,
    can_manage: bool,
    search_url: str,
    community: dict[str, str] | None = None,
    settings_url: str | None = None,
) -> dict[str, Any]:
    """Return the data that the JavaScript of a page needs.

    Args:
        endpoint: address of the REST resource with the statistics.
        layout: name of the requested layout, or None.
        can_manage: whether the visitor manages the instance or the community.
        search_url: path of the search page for records.
        community: ``id``, ``slug`` and ``title``; None for the instance.
        settings_url: path of the settings of the community; None for a visitor who may
            not change them.

    Returns:
        JSON; docs/dashboards.md describes the keys.
    """
    config = current_app.config
    service = current_stats_dashboard.community_stats_service
    subcounts = service.subcounts
    chosen = choose(
        layout, config["STATS_DASHBOARD_LAYOUT"], config["STATS_DASHBOARD_LAYOUTS"]
    )
    labels = service.breakdown_labels(subcounts)
    return {
        "endpoint": endpoint,
        "community": community,
        "layout": resolve(chosen, subcounts),
        "defaults": {
            "range": config["STATS_DASHBOARD_DEFAULT_RANGE"],
            "interval": config["STATS_DASHBOARD_DEFAULT_INTERVAL"],
        },
        "metrics": [_about_metric(metric) for metric in METRICS.values()],
        "breakdowns": [
            _about_breakdown(subcount, labels[key])
            for key, subcount in subcounts.items()
        ],
        "locale": _language_tag(get_locale()),
        "can_manage": can_manage,
        "search_url": search_url,
        "settings_url": settings_url,
        "login_url": url_for_security("login"),
    }


def _about_metric(metric: Metric) -> dict[str, Any]:
    return {
        "key": metric.key,
        "of": metric.of,
        "kind": metric.kind,
        "unit": metric.unit,
        "cells": bool(metric.cell),
        "label": str(metric.label),
        # answers add whether robots count, which the stored numbers decide
        "definition": str(metric.definition),
    }


def _about_breakdown(subcount: Subcount, label: str) -> dict[str, Any]:
    return {
        "key": subcount.key,
        "label": label,
        "singular": str(_SINGULAR.get(subcount.key, label)),
        # the rest builds the link to the search for the records of a value
        "event": not subcount.of_record,
        "fields": subcount.fields,
        "text": subcount.text,
        "vocabulary": subcount.vocabulary,
    }


def _language_tag(locale: Locale) -> str:
    """Return the BCP 47 tag of a locale, ``pt-BR`` for ``pt_BR``."""
    return str(locale).replace("_", "-")
