# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which pages there are, by the configuration and by the communities' own wish."""

from ..custom_fields import ENABLED


def has_global_page(config):
    """Tell whether there is a page of the whole instance.

    Args:
        config: the application's configuration.
    """
    return (
        config["COMMUNITY_STATS_ENABLED"] and config["STATS_DASHBOARD_GLOBAL_ENABLED"]
    )


def has_page(config, community):
    """Tell whether a community has a page.

    Args:
        config: the application's configuration.
        community: the community as the service gives it, a dict.
    """
    if not config["COMMUNITY_STATS_ENABLED"]:
        return False
    communities = config["STATS_DASHBOARD_COMMUNITIES"]
    wish = (community.get("custom_fields") or {}).get(ENABLED)
    if communities == "opt-in":
        return wish is True
    return communities == "all" and wish is not False
