# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Counting the use of records as COUNTER does, a day at a time.

A session is a visitor's hour, and the salt that visitors are hashed with changes every
day. So no session goes on over midnight, different sessions of days add up, and no more
than one day's events are in memory: of the days before, the counts of each record alone.
"""

from array import array
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import msgspec
import polars as pl

from ...aggregations.usage.event_columns import Numbered

REGULAR, MACHINE = ACCESS_METHODS = ("regular", "machine")
"""By people, and by machines that act for people."""

METRICS = (
    "total-dataset-investigations",
    "total-dataset-requests",
    "unique-dataset-investigations",
    "unique-dataset-requests",
)
"""An investigation is a view or a download, a request is a download."""

_NOTHING = 0
"""The number of what an event does not tell."""

_ALL = -1
"""In the column of countries: all of them, and what has none."""

_KEYS = ["record", "method", "country"]


class UseEvent(msgspec.Struct, gc=False):
    """What counting needs of a stored event."""

    recid: str | None = None
    unique_session_id: str | None = None
    country: str | None = None
    is_machine: bool | None = None


@dataclass(frozen=True)
class RecordCounts:
    """The counts of one record.

    Attributes:
        method: of :data:`ACCESS_METHODS`.
        country: two letters, lower case; None for all together.
        counts: in the order of :data:`METRICS`.
    """

    method: str
    country: str | None
    counts: tuple[int, ...]


class UseCounts:
    """Counts the events of days."""

    def __init__(self):
        """Begin with none."""
        self._records, self._countries = Numbered(None), Numbered(None)
        schema = {**dict.fromkeys(_KEYS, pl.Int64), **dict.fromkeys(METRICS, pl.Int64)}
        self._counts = pl.DataFrame(schema=schema)

    def __len__(self):
        """Return how many records were used."""
        return len(self._records) - 1

    def add_day(self, pages):
        """Add all events of one day.

        Args:
            pages: of (whether they are requests, list of :class:`UseEvent`).

        Returns:
            int: how many events there were.
        """
        events = self._frame(pages)
        known = events.filter(pl.col("record") != _NOTHING)
        by_country = known.filter(pl.col("country") != _NOTHING)
        everywhere = known.with_columns(pl.lit(_ALL, pl.Int64).alias("country"))
        together = pl.concat([self._counts, _counted(everywhere), _counted(by_country)])
        self._counts = together.group_by(_KEYS).agg(pl.col(METRICS).sum())
        return len(events)

    def records(self):
        """Yield the records in the order of their identifiers.

        Yields:
            tuple[str, list[Cell]]: recid, and its cells, of each access method first
            that of all countries together.
        """
        recids = self._records.texts
        places = sorted(range(1, len(recids)), key=recids.__getitem__)
        ordered = (
            pl.DataFrame({"record": places}, schema={"record": pl.Int64})
            .with_row_index("place")
            .join(self._counts, on="record")
            .sort("place", "method", "country")
        )
        countries = self._countries.texts
        rows = ordered.select(*_KEYS, *METRICS).iter_rows()
        for record, cells in groupby(rows, key=itemgetter(0)):
            yield recids[record], [
                RecordCounts(
                    ACCESS_METHODS[method],
                    None if country == _ALL else countries[country],
                    tuple(counts),
                )
                for _, method, country, *counts in cells
            ]

    def _frame(self, pages):
        sessions = Numbered(None)
        columns = {name: array("q") for name in (*_KEYS, "session", "request")}
        for is_request, events in pages:
            add = {
                "record": [self._records[e.recid] for e in events],
                "method": [bool(e.is_machine) for e in events],
                "country": [self._countries[_code(e.country)] for e in events],
                "session": [sessions[e.unique_session_id] for e in events],
                "request": [is_request] * len(events),
            }
            for name, values in add.items():
                columns[name].extend(values)
        return pl.DataFrame(
            {n: pl.Series(v, dtype=pl.Int64) for n, v in columns.items()}
        )


def _counted(events):
    known = pl.col("session") != _NOTHING
    requested = pl.col("request") == 1
    numbers = (
        pl.len(),
        pl.col("request").sum(),
        pl.col("session").filter(known).n_unique(),
        pl.col("session").filter(known & requested).n_unique(),
    )
    return events.group_by(_KEYS).agg(
        number.cast(pl.Int64).alias(metric)
        for number, metric in zip(numbers, METRICS, strict=True)
    )


def _code(country):
    return country.lower() if country else None
