# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decide which pages exist, from the configuration and the choice of each community."""

from collections.abc import Mapping
from typing import Any

from ..custom_fields import ENABLED


def has_global_page(config: Mapping[str, Any]) -> bool:
    """Return whether the instance has a page."""
    return (
        config["COMMUNITY_STATS_ENABLED"] and config["STATS_DASHBOARD_GLOBAL_ENABLED"]
    )


def has_page(config: Mapping[str, Any], community: Mapping[str, Any]) -> bool:
    """Return whether a community has a page.

    Args:
        config: the configuration of the application.
        community: the community, as the communities service returns it.
    """
    if not config["COMMUNITY_STATS_ENABLED"]:
        return False
    communities = config["STATS_DASHBOARD_COMMUNITIES"]
    choice = (community.get("custom_fields") or {}).get(ENABLED)
    if communities == "opt-in":
        return choice is True
    return communities == "all" and choice is not False
