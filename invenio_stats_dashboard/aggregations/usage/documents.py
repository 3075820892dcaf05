# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Build usage deltas and the documents of the family ``usage-seen``.

The breakdowns of a month have millions of values. Creating a Python object for each
would take longer than everything else together, so their JSON is assembled from columns
of text.
"""

from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import polars as pl

from ...reserved_ids import OTHER
from ..documents import Document
from .counting import SEEN, DayCounts, seen
from .event_columns import EventColumns

VIEW = ("total_events", "unique_visitors", "unique_records", "unique_parents")
"""The metrics of views, in the order of a document."""

DOWNLOAD = (*VIEW, "unique_files", "total_volume")
"""The metrics of downloads, in the order of a document."""

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("view", VIEW),
    ("download", DOWNLOAD),
)
"""Event types and their metrics, by the number of the type in the columns."""

StoredTotals = dict[str, dict[str, int]]
"""Event type -> metric -> number; the field ``totals`` of a document."""

_CELL = ["community", "value"]
_NONE = msgspec.Raw(b"[]")


def deltas(counted: DayCounts) -> Iterator[Document]:
    """Yield the usage deltas of some days, sorted by day, then community."""
    days, communities = counted.days, counted.communities
    totals = _totals(counted.totals)
    numbers = sorted({day for day, _ in totals}, key=days.__getitem__)
    for group in counted.groups():
        cells = {name: _Cells(*found) for name, found in counted.cells(group).items()}
        for day in numbers:
            # One day at a time: the texts are far larger than the counts.
            texts = {name: of_name.of_day(day) for name, of_name in cells.items()}
            for community in group:
                if (day, community) not in totals:
                    continue
                body = {
                    "community_id": communities[community],
                    "period_start": days[day],
                    "totals": totals[day, community],
                    "subcounts": {
                        name: of_name.pop(community, _NONE)
                        for name, of_name in texts.items()
                    },
                }
                yield Document(communities[community], days[day], body)


def totals_of(counted: DayCounts, community: str) -> dict[str, StoredTotals]:
    """Return the totals of one community by day.

    Args:
        counted: the counts of some days.
        community: UUID or ``global``.
    """
    totals = _totals(counted.totals)
    return {
        counted.days[day]: found
        for (day, number), found in totals.items()
        if counted.communities[number] == community
    }


def seen_documents(columns: EventColumns) -> Iterator[Document]:
    """Yield what was used in each community and day, sorted by day, then community."""
    days, communities = columns.days, columns.communities.names
    found: dict[tuple[str, str], dict[str, str]] = {}
    for kind, frame in seen(columns):
        for day, community, hashes in frame.iter_rows():
            of_day = found.setdefault((days[day], communities[community]), {})
            of_day[kind] = packed(hashes)
    for day, community in sorted(found):
        of_day = found[day, community]
        body = {
            "community_id": community,
            "period_start": day,
            "seen": {kind: of_day[kind] for kind in SEEN if kind in of_day},
        }
        yield Document(community, day, body)


def packed(hashes: Iterable[int]) -> str:
    """Encode 64-bit numbers as text; :func:`array_of` decodes it."""
    return b64encode(array("Q", hashes).tobytes()).decode()


def array_of(text: str) -> "array[int]":
    """Decode a result of :func:`packed`."""
    numbers = array("Q")
    numbers.frombytes(b64decode(text))
    return numbers


def _totals(frame: pl.DataFrame) -> dict[tuple[int, int], StoredTotals]:
    """Return the totals, with zeros, by the numbers of day and community."""
    totals: dict[tuple[int, int], StoredTotals] = {}
    for *key, kind, row in zip(
        frame["day"],
        frame["community"],
        frame["kind"],
        frame.select(DOWNLOAD).iter_rows(),
        strict=True,
    ):
        found = totals.setdefault(
            tuple(key), {part: dict.fromkeys(names, 0) for part, names in PARTS}
        )
        part, names = PARTS[kind]
        found[part] = dict(zip(names, row, strict=False))
    return totals


class _Cells:
    """The values of one breakdown and their counts, as JSON.

    Nothing is encoded before :meth:`of_day` is called.

    Args:
        values: the values, by their number.
        frame: the counts; see :data:`~.counting.BreakdownCounts`.
    """

    def __init__(self, values: Sequence[str], frame: pl.DataFrame) -> None:
        places = sorted(range(len(values)), key=values.__getitem__)
        self._place = pl.Series(places, dtype=pl.UInt32).arg_sort()
        self._other = len(values) - 1 if values and values[-1] == OTHER else None
        heads = ['{"id":' + msgspec.json.encode(value).decode() for value in values]
        self._heads = pl.Series(heads, dtype=pl.String)
        self._days = {
            day: of_day
            for (day,), of_day in frame.partition_by(
                "day", include_key=False, as_dict=True
            ).items()
        }

    def of_day(self, day: int) -> dict[int, msgspec.Raw]:
        """Return a day's JSON by the number of the community.

        The values with the most views come first, then those with the most downloads.
        The sum of the values that are not named is the last.

        Args:
            day: number of the day.
        """
        if day not in self._days:
            return {}
        views, downloads = (
            self._days[day]
            .lazy()
            .filter(pl.col("kind") == kind)
            .select(
                *_CELL,
                pl.col("total_events").alias(part),
                _object(part, names).alias(f"{part}_text"),
            )
            .collect()
            for kind, (part, names) in enumerate(PARTS)
        )
        cells = views.join(downloads, on=_CELL, how="full", coalesce=True)
        cells = cells.with_columns(
            (pl.col("value") == pl.lit(self._other)).fill_null(False).alias("other"),
            self._place.gather(cells["value"]).alias("place"),
            pl.col("view", "download").fill_null(0),
        ).sort(
            "community",
            "other",
            "view",
            "download",
            "place",
            descending=[False, False, True, True, False],
        )
        heads = self._heads.gather(cells["value"]).alias("head")
        text = pl.concat_str(
            [heads, "view_text", "download_text", pl.lit("}")], ignore_nulls=True
        )
        return _joined(cells["community"], cells.select(text).to_series())


def _joined(communities: pl.Series, texts: pl.Series) -> dict[int, msgspec.Raw]:
    """Return a JSON list of the texts of each community.

    The rows of a community must be adjacent.
    """
    lines: list[str] = texts.to_list()
    found: dict[int, msgspec.Raw] = {}
    start = 0
    for length, community in communities.rle().struct.unnest().iter_rows():
        text = ",".join(lines[start : start + length])
        found[community] = msgspec.Raw(f"[{text}]".encode())
        start += length
    return found


def _object(part: str, names: Sequence[str]) -> pl.Expr:
    """Return the metrics of an event type as text: a key and value of a JSON object."""
    pieces = [pl.lit(f',"{part}":{{')]
    for number, name in enumerate(names):
        comma = "," if number else ""
        pieces += [pl.lit(f'{comma}"{name}":'), pl.col(name).cast(pl.String)]
    return pl.concat_str([*pieces, pl.lit("}")])
