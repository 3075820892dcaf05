# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Do the work of the scheduled task: prepare what is missing, then aggregate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask

from ..aggregations.runner import AggregationReport
from ..search.client import json_client
from ..search.names import Names
from .aggregation import locked
from .preparation import Preparation, PreparationReport

if TYPE_CHECKING:
    from .community_stats import CommunityStatsService
    from .event_reindexing import EventReindexingService

LOCK = "lock:catch-up"
"""Id of the lock's document in the index of bookmarks."""


@dataclass(frozen=True)
class ScheduledRunReport:
    """The result of one run of the scheduled task.

    Attributes:
        prepared: the progress of the preparation.
        report: the report of the aggregation; None before the preparation is complete,
            since the numbers would be too low.
    """

    prepared: PreparationReport
    report: AggregationReport | None = None


def catch_up(
    app: Flask,
    statistics: "CommunityStatsService",
    reindexing: "EventReindexingService",
    call: Callable[[str, int], None] | None = None,
) -> ScheduledRunReport:
    """Do one part of the preparation, or aggregate if it is complete.

    Args:
        app: the application.
        statistics: generates community events, and aggregates.
        reindexing: migrates usage events.
        call: starts helpers; see ``CommunityStatsService.aggregate``.

    Raises:
        LockedError: another worker is doing this.
        StatsDashboardError: the aggregation failed; the next run continues.
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
