# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Count the use of records by the rules of COUNTER, one day at a time.

A session is one hour of one visitor, and the salt of the visitors' hashes changes every
day. Therefore no session continues after midnight, and unique sessions of days can be
added up. Only one day's events are in memory, with the counts of each record so far.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

import msgspec
import polars as pl
import pycountry

from ...aggregations.usage.event_columns import Numbered

ACCESS_METHODS = ("regular", "machine")
"""Access by humans, and by machines on behalf of humans."""

METRICS = (
    "total-dataset-investigations",
    "total-dataset-requests",
    "unique-dataset-investigations",
    "unique-dataset-requests",
)
"""An investigation is a view or a download, a request is a download."""

_NOTHING = 0
"""Number of a record, country or session that an event does not have."""

_ALL = -1
"""Country number of all events, with or without a country."""

_KEYS = ["record", "method", "country"]


class UseEvent(msgspec.Struct, gc=False):
    """The fields of a stored event that counting needs."""

    recid: str | None = None
    unique_session_id: str | None = None
    country: str | None = None
    is_machine: bool | None = None


@dataclass(frozen=True)
class RecordCounts:
    """The counts of one record, for one access method and country.

    Attributes:
        method: one of :data:`ACCESS_METHODS`.
        country: two lower-case letters; None for all countries.
        counts: the counts, in the order of :data:`METRICS`.
    """

    method: str
    country: str | None
    counts: tuple[int, ...]


class UseCounts:
    """Counts events by record, access method and country."""

    def __init__(self) -> None:
        self._records: Numbered[str | None] = Numbered(None)
        self._countries: Numbered[str | None] = Numbered(None)
        schema = {**dict.fromkeys(_KEYS, pl.Int64), **dict.fromkeys(METRICS, pl.Int64)}
        self._counts = pl.DataFrame(schema=schema)

    def __len__(self) -> int:
        """Return the number of records that were used."""
        return len(self._records) - 1

    def add_day(self, pages: Iterable[tuple[bool, Sequence[UseEvent]]]) -> int:
        """Add all events of one day.

        Args:
            pages: (whether the events are requests, events).

        Returns:
            The number of events.
        """
        events = self._frame(pages)
        known = events.filter(pl.col("record") != _NOTHING)
        by_country = known.filter(pl.col("country") != _NOTHING)
        everywhere = known.with_columns(pl.lit(_ALL, pl.Int64).alias("country"))
        together = pl.concat([self._counts, _counted(everywhere), _counted(by_country)])
        self._counts = together.group_by(_KEYS).agg(pl.col(METRICS).sum())
        return len(events)

    def records(self) -> Iterator[tuple[str, list[RecordCounts]]]:
        """Yield the records in the order of their identifiers.

        Yields:
            The recid, and its counts. Of each access method, the counts of all
            countries come first.
        """
        # only the first one, which is skipped, is None
        recids = cast("list[str]", self._records.texts)
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

    def _frame(self, pages: Iterable[tuple[bool, Sequence[UseEvent]]]) -> pl.DataFrame:
        """Return the events of one day, one row each, all columns numbers."""
        sessions: Numbered[str | None] = Numbered(None)
        columns = {name: array("q") for name in (*_KEYS, "session", "request")}
        for is_request, events in pages:
            add: dict[str, Sequence[int]] = {
                "record": [self._records[e.recid or None] for e in events],
                "method": [bool(e.is_machine) for e in events],
                "country": [self._countries[_code(e.country)] for e in events],
                "session": [sessions[e.unique_session_id or None] for e in events],
                "request": [is_request] * len(events),
            }
            for name, values in add.items():
                columns[name].extend(values)
        return pl.DataFrame(
            {n: pl.Series(v, dtype=pl.Int64) for n, v in columns.items()}
        )


def _counted(events: pl.DataFrame) -> pl.DataFrame:
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


def _code(country: Any) -> str | None:
    """Return the code of a country; None for a list, or if ISO 3166-1 has none.

    The receiver of a report refuses it because of any other code.
    """
    code = country.lower() if isinstance(country, str) else None
    return code if code in _codes() else None


@cache
def _codes() -> frozenset[str]:
    """Return the two-letter codes of ISO 3166-1, in lower case."""
    return frozenset(country.alpha_2.lower() for country in pycountry.countries)
