# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Label the values in one result, each looked up once."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, cast

from ..queries.metrics import METRICS
from ..queries.query import SeriesRow

if TYPE_CHECKING:
    from ..services import CommunityStatsService

TOGETHER = 1000
"""Rows whose labels are looked up together."""


class AnswerLabels:
    """The labels of metrics, breakdowns and values in one result, in one language.

    It must be created in a context with this language. It can be used later, while a
    response is streamed.

    Args:
        service: looks them up.
        language: code such as ``de``.
    """

    def __init__(self, service: "CommunityStatsService", language: str) -> None:
        self._service, self._language = service, language
        self._cells: dict[tuple[str, str | None], str] = {}
        self._breakdowns: dict[str, str] = {}
        self._metrics: dict[str | None, str] = {
            key: str(metric.label) for key, metric in METRICS.items()
        }

    def learn(self, cells: Iterable[tuple[str | None, str | None]]) -> None:
        """Look up the labels of values, those of a breakdown together.

        Args:
            cells: (breakdown, id) of each value; both None for totals.
        """
        missing: dict[str, dict[str, None]] = {}
        for breakdown, id_ in cells:
            if breakdown is not None and (breakdown, id_) not in self._cells:
                missing.setdefault(breakdown, {})[cast(str, id_)] = None
        for breakdown, ids in missing.items():
            self._look_up(breakdown, ids)

    def _look_up(
        self, breakdown: str, ids: Iterable[str], from_caller: bool = False
    ) -> None:
        ids = list(ids)
        found = self._service.labels(breakdown, ids, self._language, from_caller)
        self._cells |= {(breakdown, id_): found.get(id_, id_) for id_ in ids}

    def of(
        self, breakdown: str | None, id_: str | None, metric: str | None = None
    ) -> str:
        """Return the label of a value, or of a metric for totals."""
        if breakdown is None:
            return self._metrics[metric]
        if (breakdown, id_) not in self._cells:
            # not a value of the numbers, but of the filter
            self._look_up(breakdown, [cast(str, id_)], from_caller=True)
        return self._cells[breakdown, id_]

    def of_breakdown(self, key: str) -> str:
        """Return the label of a breakdown."""
        if key not in self._breakdowns:
            self._breakdowns |= self._service.breakdown_labels([key], self._language)
        return self._breakdowns[key]

    def rows(self, rows: Iterable[SeriesRow]) -> Iterator[tuple[SeriesRow, str]]:
        """Yield rows with their labels."""
        rows = iter(rows)
        while some := list(islice(rows, TOGETHER)):
            self.learn((row.breakdown, row.id) for row in some)
            for row in some:
                yield row, self.of(row.breakdown, row.id, row.metric)
