# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What the scheduled task does: first what is missing, then counting."""

from dataclasses import dataclass

from ..aggregations.runner import AggregationReport
from ..search.client import json_client
from ..search.names import Names
from .aggregation import locked
from .preparation import Preparation, PreparationReport

LOCK = "lock:catch-up"
"""Id of the lock's document in the index of bookmarks."""


@dataclass(frozen=True)
class ScheduledRunReport:
    """What one run of the scheduled task has done.

    Attributes:
        prepared: how far the preparation is.
        report: of the aggregation; None while something is missing, since what would
            be counted then would be too little.
    """

    prepared: PreparationReport
    report: AggregationReport | None = None


def catch_up(app, statistics, reindexing, call=None):
    """Do a piece of what is missing, or count if nothing is.

    Args:
        app: the Flask application.
        statistics: the ``CommunityStatsService``.
        reindexing: the ``EventReindexingService``.
        call: sends for helpers; see ``CommunityStatsService.aggregate``.

    Returns:
        CaughtUp: what was done.

    Raises:
        LockedError: another worker is at it.
        StatsDashboardError: what counting raises; the next run goes on.
        OpenSearchException: the cluster does not answer.
    """
    config, client = app.config, json_client(app, timeout=60)
    seconds = config["COMMUNITY_STATS_PREPARATION_SECONDS"]
    with locked(app, client, Names.of(app), LOCK):
        preparation = Preparation(app, client, statistics, reindexing, seconds)
        if config["COMMUNITY_STATS_PREPARATION_ENABLED"]:
            prepared = preparation.advance()
        else:
            prepared = preparation.look()
        if not prepared.is_ready:
            return ScheduledRunReport(prepared)
        return ScheduledRunReport(prepared, statistics.aggregate(call=call))
