# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The labels of one answer, each looked up once."""

from itertools import islice

from ..queries.metrics import METRICS

TOGETHER = 1000
"""Rows whose labels are looked up together."""


class AnswerLabels:
    """What the parts of an answer are called, in one language.

    To be made while this language is spoken; it may be used later, in a stream.

    Args:
        labels: the :class:`~..queries.labels.Labels`.
        language: code such as ``de``.
    """

    def __init__(self, labels, language):
        """Know none yet."""
        self._labels, self._language = labels, language
        self._cells, self._breakdowns = {}, {}
        self._metrics = {key: str(metric.label) for key, metric in METRICS.items()}

    def learn(self, cells):
        """Look up the labels of cells, those of a breakdown together.

        Args:
            cells: iterable of (breakdown, id); None for totals.
        """
        missing = {}
        for breakdown, id_ in cells:
            if breakdown is not None and (breakdown, id_) not in self._cells:
                missing.setdefault(breakdown, {})[id_] = None
        for breakdown, ids in missing.items():
            found = self._labels.of(breakdown, ids, self._language)
            self._cells |= {(breakdown, id_): found.get(id_, id_) for id_ in ids}

    def of(self, breakdown, id_, metric=None):
        """Return the label of a cell; of a total that of its metric."""
        if breakdown is None:
            return self._metrics[metric]
        self.learn([(breakdown, id_)])
        return self._cells[breakdown, id_]

    def of_breakdown(self, key):
        """Return the label of a breakdown."""
        if key not in self._breakdowns:
            self._breakdowns |= self._labels.of_breakdowns([key], self._language)
        return self._breakdowns[key]

    def rows(self, rows):
        """Yield rows with their labels.

        Args:
            rows: iterable of :class:`~..queries.query.SeriesRow`.

        Yields:
            tuple: the row and its label.
        """
        rows = iter(rows)
        while some := list(islice(rows, TOGETHER)):
            self.learn((row.breakdown, row.id) for row in some)
            for row in some:
                yield row, self.of(row.breakdown, row.id, row.metric)
