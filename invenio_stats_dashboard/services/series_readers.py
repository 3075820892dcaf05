# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create the readers of series that all requests of a process share."""

from collections.abc import Mapping

from flask import Flask

from ..aggregations.usage.event_filter import COUNT_ROBOTS
from ..queries.aggregate_search import AggregateSearch
from ..queries.freshness import FreshnessReader
from ..queries.labels import Labels
from ..queries.series_reader import SeriesReader
from ..queries.suppression import small_numbers
from ..search.client import text_client
from ..search.names import Names
from ..subcounts import Subcount

_TIMEOUT = 30
"""Seconds for one request; a user waits for the response."""


class SeriesReaders:
    """The readers of series of an application's communities.

    It holds its connections to OpenSearch open, so each process creates only one.
    Creating it opens no connection.

    Args:
        app: the application.
        subcounts: the registry of breakdowns.

    Attributes:
        series: executes queries.
        freshness: reads how fresh the numbers are.
        labels: labels breakdowns and their values.
        small_numbers: suppresses small numbers.
    """

    def __init__(self, app: Flask, subcounts: Mapping[str, Subcount]) -> None:
        aggregates = AggregateSearch(text_client(app, timeout=_TIMEOUT), Names.of(app))
        self.small_numbers = small_numbers(app.config, subcounts)
        self.freshness = FreshnessReader(
            aggregates, count_robots=app.config[COUNT_ROBOTS]
        )
        self.labels = Labels(subcounts)
        self.series = SeriesReader(
            aggregates, subcounts, self.small_numbers, self.freshness.read
        )
