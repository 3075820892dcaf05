# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Check the configuration at start; refuse a bad value with the variable's name."""

import os
import re
from collections.abc import Callable, Mapping
from logging import Logger
from typing import Any

from flask_babel.speaklater import LazyString
from invenio_records_permissions.policies import BasePermissionPolicy
from werkzeug.utils import import_string

from .errors import ConfigurationError

Check = Callable[[object], str | None]
"""Returns None for a valid value, else what the value must be, as a noun phrase."""


def _whole(low: int, high: int | None = None, optional: bool = False) -> Check:
    """Return a check for a whole number within bounds; ``optional`` allows None."""

    def check(value: object) -> str | None:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            return "a whole number" + (" or None" if optional else "")
        if value < low or (high is not None and value > high):
            return f"from {low} to {high}" if high is not None else f"{low} or more"
        return None

    return check


def _above_zero(unit: str) -> Check:
    """Return a check for a number above 0, of a unit that the message names."""

    def check(value: object) -> str | None:
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return None
        return f"a number of {unit} above 0"

    return check


_seconds = _above_zero("seconds")


def _index_settings(value: object) -> str | None:
    """Check settings of shards and replicas, in the form of OpenSearch."""
    checks = {
        "number_of_shards": _whole(1, 1024),
        "number_of_replicas": _whole(0),
        "auto_expand_replicas": _range_of_replicas,
    }
    if not isinstance(value, dict) or not set(value) <= set(checks):
        return f"a dict of some of {', '.join(checks)}"
    if {"number_of_replicas", "auto_expand_replicas"} <= set(value):
        return "a dict without both number_of_replicas and auto_expand_replicas"
    for name, check in checks.items():
        if name in value and (problem := check(value[name])):
            return f"a dict whose {name} is {problem}"
    return None


def _range_of_replicas(value: object) -> str | None:
    matches = isinstance(value, str) and re.fullmatch(r"\d+-(\d+|all)", value)
    return None if matches else "a string such as '0-1' or '0-all'"


def _policy(value: object) -> str | None:
    try:
        found = import_string(value) if isinstance(value, str) else value
    except (ImportError, AttributeError, ValueError):
        found = None
    if isinstance(found, type) and issubclass(found, BasePermissionPolicy):
        return None
    return "a subclass of BasePermissionPolicy, or its import path"


def _switch(value: object) -> str | None:
    return None if isinstance(value, bool) else "True or False"


def _one_of(*allowed: object) -> Check:
    """Return a check for one of the allowed values."""
    names = ", ".join(repr(value) for value in allowed)
    return lambda value: None if value in allowed else f"one of {names}"


def _text(value: object) -> str | None:
    return None if isinstance(value, str | LazyString) else "a string"


def _folder(value: object) -> str | None:
    if value is None or (isinstance(value, str) and os.path.isabs(value)):
        return None
    return "an absolute path or None"


def _routes(value: object) -> str | None:
    if not isinstance(value, dict) or set(value) != {"global", "community"}:
        return "a dict with 'global' and 'community'"
    if not all(isinstance(v, str) and v.startswith("/") for v in value.values()):
        return "a dict of paths that begin with /"
    if "<pid_value>" not in value["community"]:
        return "a dict whose 'community' contains <pid_value>"
    return None


def _layout(value: object) -> str | None:
    return None if isinstance(value, dict) else "a dict with 'tabs'"


def _layouts(value: object) -> str | None:
    return None if isinstance(value, dict) else "a dict of layouts by name"


RANGES = ("7d", "30d", "90d", "12mo", "mtd", "ytd", "all")
"""The names of ranges of days."""


CHECKS: dict[str, Check] = {
    "COMMUNITY_STATS_ENABLED": _switch,
    "COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED": _switch,
    "STATS_DASHBOARD_MENU_ENABLED": _switch,
    "STATS_DASHBOARD_RECONCILIATION_SWEEP_DAYS": _whole(1),
    "STATS_DASHBOARD_STATEMENT_TIMEOUT": _seconds,
    "STATS_DASHBOARD_SCAN_TIMEOUT": _seconds,
    "STATS_DASHBOARD_SCANS_PER_MINUTE": _whole(1, 600),
    "STATS_DASHBOARD_TEMPLATE_PRIORITY": _whole(0),
    "STATS_DASHBOARD_INDEX_SETTINGS": _index_settings,
    "STATS_DASHBOARD_STARTUP_TIMEOUT": _seconds,
    "STATS_DASHBOARD_DOUBLE_CLICK_SECONDS": _whole(1, 3600, optional=True),
    "STATS_DASHBOARD_REINDEXING_BATCH_SIZE": _whole(1, 10_000),
    "STATS_DASHBOARD_REINDEXING_MAX_BATCHES": _whole(1, optional=True),
    "STATS_DASHBOARD_REINDEXING_MAX_MEMORY_PERCENT": _whole(1, 100),
    "STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT": _seconds,
    "STATS_DASHBOARD_REINDEXING_WORKER_TIMEOUT": _seconds,
    "STATS_DASHBOARD_REINDEXING_SWITCH_TIMEOUT": _seconds,
    "STATS_DASHBOARD_REINDEXING_LOCK_TTL": _seconds,
    "COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT": _whole(1, 1000),
    "STATS_DASHBOARD_COUNT_ROBOTS": _switch,
    "STATS_DASHBOARD_MAX_VALUES_PER_DAY": _whole(1),
    "STATS_DASHBOARD_MAX_RECORD_VALUES_PER_DAY": _whole(1),
    "COMMUNITY_STATS_CATCHUP_INTERVAL": _whole(1, optional=True),
    "COMMUNITY_STATS_AGGREGATION_LOCK_TTL": _seconds,
    "COMMUNITY_STATS_AGGREGATION_HELPERS": _whole(0),
    "COMMUNITY_STATS_AGGREGATES_SHARD_GB": _above_zero("GB"),
    "COMMUNITY_STATS_CORRECTIONS_KEPT_DAYS": _whole(1, 36_500),
    "COMMUNITY_STATS_PREPARATION_ENABLED": _switch,
    "COMMUNITY_STATS_PREPARATION_SECONDS": _seconds,
    "STATS_DASHBOARD_GLOBAL_ENABLED": _switch,
    "STATS_DASHBOARD_COMMUNITIES": _one_of("all", "opt-in", "none"),
    "STATS_DASHBOARD_ROUTES": _routes,
    "STATS_DASHBOARD_MENU_TEXT": _text,
    "STATS_DASHBOARD_MENU_ORDER": _whole(0),
    "STATS_DASHBOARD_COMMUNITY_MENU_TEXT": _text,
    "STATS_DASHBOARD_COMMUNITY_MENU_ORDER": _whole(0),
    "STATS_DASHBOARD_TITLE": _text,
    "STATS_DASHBOARD_DESCRIPTION": _text,
    "STATS_DASHBOARD_COMMUNITY_TITLE": _text,
    "STATS_DASHBOARD_COMMUNITY_DESCRIPTION": _text,
    "STATS_DASHBOARD_DEFAULT_RANGE": _one_of(*RANGES),
    "STATS_DASHBOARD_DEFAULT_INTERVAL": _one_of(
        None, "day", "week", "month", "quarter", "year"
    ),
    "STATS_DASHBOARD_LAYOUT": _layout,
    "STATS_DASHBOARD_LAYOUTS": _layouts,
    "STATS_DASHBOARD_PERMISSION_POLICY": _policy,
    "STATS_DASHBOARD_MAX_DAYS": _whole(1, 1_000_000),
    "STATS_DASHBOARD_MAX_CELLS": _whole(1, 1000),
    "STATS_DASHBOARD_MAX_SERIES": _whole(1),
    "STATS_DASHBOARD_MAX_VALUES": _whole(1),
    "STATS_DASHBOARD_FILE_VALUES_GUEST": _whole(1, optional=True),
    "STATS_DASHBOARD_FILE_VALUES_USER": _whole(1, optional=True),
    "STATS_DASHBOARD_FILE_FOLDER": _folder,
    "STATS_DASHBOARD_WORKBOOKS_AT_ONCE": _whole(1),
    "STATS_DASHBOARD_MAX_DOCUMENTS": _whole(1),
    "STATS_DASHBOARD_MAX_DOCUMENT_VALUES": _whole(1),
    "STATS_DASHBOARD_MAX_QUERIES": _whole(1),
    "STATS_DASHBOARD_CACHE_SECONDS": _whole(0),
    "STATS_DASHBOARD_COUNTER_EVENTS_GUEST": _whole(0, optional=True),
    "STATS_DASHBOARD_COUNTER_EVENTS_USER": _whole(0, optional=True),
    "STATS_DASHBOARD_MIN_VISITORS": _whole(2, optional=True),
    "STATS_DASHBOARD_SHOW_HIDDEN_RECORDS": _switch,
}
"""Config variable -> check of its value."""

_NOT_CHECKED = ("COMMUNITY_STATS_SUBCOUNTS",)
"""Config variables that are checked elsewhere."""


EARLIER_VARIABLES = {
    "COMMUNITY_STATS_SCHEDULED_AGG_TASKS_ENABLED": (
        "COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED"
    ),
    "STATS_DASHBOARD_ENABLED_GLOBAL": "STATS_DASHBOARD_GLOBAL_ENABLED",
}
"""Config variable of the earlier extension -> the one that replaces it."""

_PREFIXES = ("COMMUNITY_STATS_", "STATS_DASHBOARD_")
_warned: set[str] = set()


def warn_of_unknown(config: Mapping[str, Any], logger: Logger) -> None:
    """Log the variables that have no effect, each once in a process.

    Args:
        config: the application's configuration, with all defaults.
        logger: gets one warning.
    """
    unknown = {
        name
        for name in config
        if name.startswith(_PREFIXES) and name not in {*CHECKS, *_NOT_CHECKED}
    }
    new = sorted(unknown - _warned)
    _warned.update(new)
    if new:
        logger.warning("%s", " ".join(_ignored(name) for name in new))


def _ignored(name: str) -> str:
    """Return a sentence about a variable that has no effect."""
    instead = EARLIER_VARIABLES.get(name)
    if instead:
        return f"{name} has no effect; it is replaced by {instead}."
    return f"{name} has no effect, because invenio-stats-dashboard does not read it."


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse the first invalid value.

    Args:
        config: the application's configuration.

    Raises:
        ConfigurationError: a value is invalid; the text names variable and value.
    """
    for name, wanted in CHECKS.items():
        problem = wanted(config[name])
        if problem:
            raise ConfigurationError(
                f"{name} is {config[name]!r}; it must be {problem}."
            )
