# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What a page tells its JavaScript, in attributes of one element.

Attributes, since a site's content security policy forbids scripts within a page.
"""

from flask import current_app
from flask_security.utils import url_for_security
from invenio_i18n import get_locale

from ..proxies import current_stats_dashboard
from ..queries.labels import Labels
from ..queries.metrics import METRICS
from .layout import choose, resolve


def page_data(
    endpoint,
    layout,
    can_manage,
    search_url,
    community=None,
    settings_url=None,
):
    """Return what the JavaScript of a page has to know.

    Args:
        endpoint: path of the REST resource of the numbers.
        layout: name of the layout that was asked for, or None.
        can_manage: whether the visitor manages what the page is about.
        search_url: path of the search page of its records.
        community: ``id``, ``slug`` and ``title``, or None for the instance.
        settings_url: path of the community's settings, for who may change them.

    Returns:
        dict: JSON; docs/dashboards.md says what each key means.
    """
    config = current_app.config
    subcounts = current_stats_dashboard.subcounts
    chosen = choose(
        layout, config["STATS_DASHBOARD_LAYOUT"], config["STATS_DASHBOARD_LAYOUTS"]
    )
    labels = Labels(subcounts).of_breakdowns(subcounts)
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


def _about_metric(metric):
    return {
        "key": metric.key,
        "of": metric.of,
        "kind": metric.kind,
        "unit": metric.unit,
        "cells": bool(metric.cell),
        "label": str(metric.label),
        "definition": str(metric.definition),
    }


def _about_breakdown(subcount, label):
    return {
        "key": subcount.key,
        "label": label,
        # what leads to the search for the records of a cell
        "event": not subcount.of_record,
        "fields": subcount.fields,
        "text": subcount.text,
        "vocabulary": subcount.vocabulary,
    }


def _language_tag(locale):
    """Return a locale as BCP 47 has it, ``pt-BR`` for ``pt_BR``."""
    return str(locale).replace("_", "-")
