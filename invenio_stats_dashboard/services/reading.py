# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the aggregates of one community, one document for each day."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

from flask import Flask

from ..aggregations.daily_documents import StoredDays
from ..aggregations.runner import check_families
from ..queries import argument_parsing
from ..search.client import json_client, text_client
from ..search.names import Names
from .aggregation_status import AggregationStatusReader


@dataclass(frozen=True)
class StatsRead:
    """Documents of one community and family.

    Attributes:
        community_id: UUID, or ``global``.
        family: of :data:`~..search.names.FAMILIES`.
        start_date: first day, ``YYYY-MM-DD``.
        end_date: last day; not after today.
        data_as_of: everything that was stored up to this moment is counted, ISO 8601;
            None before the first complete aggregation.
        documents: fetches the documents, one for each day; can be read once.
    """

    community_id: str
    family: str
    start_date: str
    end_date: str
    data_as_of: str | None
    documents: Iterator[dict[str, Any]] = field(repr=False)


def read_stats(
    app: Flask,
    community_id: str,
    family: str,
    start_date: str | date | None = None,
    end_date: str | date | None = None,
    today: date | None = None,
) -> StatsRead:
    """Return the documents of some days; see ``CommunityStatsService.read_stats``.

    Args:
        app: the application.
        community_id: UUID, slug, or ``global``.
        family: of :data:`~..search.names.FAMILIES`.
        start_date: first day, or None.
        end_date: last day, or None.
        today: the current UTC day; None to read the clock.
    """
    (family,) = check_families([family])
    # None is returned only without names
    (community,) = cast(tuple[str, ...], argument_parsing.with_global([community_id]))
    first, last = argument_parsing.range_of_days(start_date, end_date, today)
    names, client = Names.of(app), json_client(app, timeout=60)
    subcounts = app.extensions["invenio-stats-dashboard"].subcounts
    days = StoredDays(client, text_client(app), names, subcounts, family, community)
    run = AggregationStatusReader(client, names).last_run() or {}
    return StatsRead(
        community_id=community,
        family=family,
        start_date=first,
        end_date=last,
        data_as_of=run.get("data_as_of"),
        documents=days.read(first, last),
    )
