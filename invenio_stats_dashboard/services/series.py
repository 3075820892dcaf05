# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading series of an application: what is shared between the questions."""

from ..queries.aggregate_search import AggregateSearch
from ..queries.freshness import FreshnessReader
from ..queries.labels import Labels
from ..queries.series_reader import SeriesReader
from ..queries.suppression import small_numbers
from ..search.client import text_client
from ..search.names import Names

_TIMEOUT = 30
"""Seconds for one request; somebody waits for the answer."""


class SeriesService:
    """What answers questions about an application's communities.

    It keeps its connections to OpenSearch, so it is made once for a process.

    Args:
        app: the Flask application.

    Attributes:
        reader: the :class:`~..queries.series_reader.SeriesReader`.
        freshness: the :class:`~..queries.freshness.FreshnessReader`.
        labels: the :class:`~..queries.labels.Labels`.
        small_numbers: the :class:`~..queries.suppression.SmallNumbers`.
    """

    def __init__(self, app):
        """Make them; opens no connection yet."""
        subcounts = app.extensions["invenio-stats-dashboard"].subcounts
        aggregates = AggregateSearch(text_client(app, timeout=_TIMEOUT), Names.of(app))
        self.small_numbers = small_numbers(app.config, subcounts)
        self.freshness = FreshnessReader(aggregates)
        self.labels = Labels(subcounts)
        self.reader = SeriesReader(
            aggregates, subcounts, self.small_numbers, self.freshness.read
        )
