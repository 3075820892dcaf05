# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Limit the number of values that the usage delta of one day names for a breakdown.

Clients choose the referrers of events, and people with an account choose the metadata
of records. Without a limit, they also choose the size of documents.
"""

from collections.abc import Mapping
from typing import Any

from ...subcounts import Subcount

OF_EVENTS = "STATS_DASHBOARD_MAX_VALUES_PER_DAY"
OF_RECORDS = "STATS_DASHBOARD_MAX_RECORD_VALUES_PER_DAY"


def value_limits(
    config: Mapping[str, Any], subcounts: Mapping[str, Subcount]
) -> dict[str, int]:
    """Return the maximum number of named values of each breakdown.

    All breakdowns have a limit, also those that normally have few values: a vocabulary
    can be large, and stored events can come from another system.

    Args:
        config: the application's configuration.
        subcounts: the registry of breakdowns.

    Returns:
        Breakdown key -> number of values in one usage delta, besides the ids that this
        package assigns.
    """
    return {
        key: config[OF_RECORDS if subcount.of_record else OF_EVENTS]
        for key, subcount in subcounts.items()
    }
