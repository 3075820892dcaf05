# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Count the events of some days for all communities and breakdowns in one pass.

An event counts in each of its communities and in ``global``, and there for each of its
values of each breakdown, so rows multiply. To bound the memory, rows are reduced to
distinct ones before they are multiplied, and then counted in portions. If a metric
counts distinct things, such as visitors, all rows of a thing are in the same portion.
The counts of the portions can therefore be added up.

If a breakdown has more values on a day than its limit, the events of the smallest ones
are counted a second time, as those of one value. So its visitors are distinct as well.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ...reserved_ids import ASSIGNED, OTHER
from .event_columns import KINDS, NOBODY, BreakdownColumn, EventColumns, Lists

PORTION = 400_000
"""Number of rows in one portion, after multiplication."""

SUMS = ("total_events", "total_volume")
_DISTINCT = {
    "unique_visitors": "vis",
    "unique_records": "rec",
    "unique_parents": "par",
    "unique_files": "file",
}
METRICS = (*_DISTINCT, *SUMS)
_PLACE = ("day", "kind", "community")
"""The columns that identify a count, in addition to the value of a breakdown.

The column ``place`` numbers their combinations.
"""

_DAY = ["day", "community"]

ROWS = 60_000
"""Maximum of events times communities in one group of :meth:`DayCounts.groups`."""

PIECE = 200_000
"""Number of events that are reduced to distinct rows at a time."""

BreakdownCounts = tuple[list[str], pl.DataFrame]
"""The values of a breakdown, and its counts.

The frame is like :attr:`DayCounts.totals`, with a column ``value`` of positions in the
list of values.
"""


@dataclass(frozen=True)
class _Many:
    """A column whose numbers each stand for several things.

    Attributes:
        frame: one row for each number and thing.
        sizes: number -> number of things that it stands for.
    """

    frame: pl.DataFrame
    sizes: pl.Series


class DayCounts:
    """The counts of some days.

    Attributes:
        days: number in the column ``day`` -> ``YYYY-MM-DD``.
        communities: number in the column ``community`` -> UUID or ``global``.
        totals: columns ``day``, ``community``, ``kind``, and one for each of
            :data:`METRICS`.

    Args:
        columns: the events; the totals are counted immediately.
        limits: breakdown key -> maximum number of its values on a day of a community,
            besides ids that this package assigns; see :mod:`.value_limits`.
    """

    def __init__(
        self, columns: EventColumns, limits: Mapping[str, int] | None = None
    ) -> None:
        self.days, self.communities = columns.days, columns.communities.names
        self._limits = limits or {}
        self._breakdowns = columns.breakdowns()
        communities = columns.communities.frame("com", "community")
        placed = _placed(columns.frame(), communities)
        self._events, self._places, self._where = placed
        nothing = Lists()
        for _ in range(columns.objects):
            nothing.append(("",))
        ((_, totals),) = self._counts([BreakdownColumn("", "sub", nothing)]).values()
        self.totals = totals.drop("value")

    def groups(self) -> list[list[int]]:
        """Return the numbers of all communities, in groups to be counted together.

        They are sorted by UUID. Only a single day has several groups.
        """
        sizes: dict[int, int] = dict(
            self.totals.group_by("community")
            .agg(pl.col("total_events").sum())
            .iter_rows()
        )
        order = sorted(sizes, key=self.communities.__getitem__)
        if self.totals["day"].n_unique() > 1:
            return [order]
        groups: list[list[int]] = [[]]
        rows = 0
        for number in order:
            if groups[-1] and rows + sizes[number] > ROWS:
                groups.append([])
                rows = 0
            groups[-1].append(number)
            rows += sizes[number]
        return groups

    def cells(self, communities: Collection[int]) -> dict[str, BreakdownCounts]:
        """Count all breakdowns for some communities.

        Args:
            communities: their numbers.

        Returns:
            Breakdown key -> its values and counts.
        """
        if len(communities) == self.totals["community"].n_unique():
            return self._counts(self._breakdowns)
        places = self._places.with_row_index("place").filter(
            pl.col("community").is_in(communities)
        )
        rows = self._where.frame.join(places.select("place"), on="place")
        return self._counts(
            self._breakdowns, _Many(rows, _sizes(rows, len(self._where.sizes)))
        )

    def _counts(
        self, breakdowns: Sequence[BreakdownColumn], where: _Many | None = None
    ) -> dict[str, BreakdownCounts]:
        """Count some breakdowns, as :meth:`cells` does.

        The distinct rows are in memory for one column and metric at a time. The column
        ``sub`` determines most breakdowns. Each other column determines one.
        """
        events = self._events
        found: dict[str, BreakdownCounts] = {}
        if where is None:
            where = self._where
        else:
            events = events.join(where.frame.select("where"), on="where", how="semi")
        for column in dict.fromkeys(breakdown.column for breakdown in breakdowns):
            of_column = [b for b in breakdowns if b.column == column]
            cells = _counted(events, column, [_Counting(b, where) for b in of_column])
            small = {b.key: self._smallest(b, cells[b.key]) for b in of_column}
            others = _counted(
                events,
                column,
                [
                    _Counting(b, where, small[b.key])
                    for b in of_column
                    if len(small[b.key])
                ],
            )
            for breakdown in of_column:
                key, names = breakdown.key, breakdown.values.names
                if key in others:
                    named = cells[key].join(small[key], on="cell", how="anti")
                    found[key] = self._with_others(names, named, others[key])
                else:
                    found[key] = names, self._placed_cells(cells[key], len(names))
        return {breakdown.key: found[breakdown.key] for breakdown in breakdowns}

    def _placed_cells(self, cells: pl.DataFrame, base: int) -> pl.DataFrame:
        """Replace the column ``cell`` by day, community, kind and value."""
        value = (cells["cell"] % base).cast(pl.UInt32).alias("value")
        found = self._places[cells["cell"] // base]
        return found.with_columns(value, *cells.drop("cell"))

    def _with_others(
        self, names: list[str], cells: pl.DataFrame, others: pl.DataFrame
    ) -> BreakdownCounts:
        """Return the counts of named values, and of all others as one more value.

        Args:
            names: all values.
            cells: counts of the named ones.
            others: counts of the others together, with ``place`` as ``cell``.
        """
        other = len(names)
        others = others.with_columns(pl.col("cell") * (other + 1) + other)
        frames = [
            self._placed_cells(cells, other),
            self._placed_cells(others, other + 1),
        ]
        return [*names, OTHER], pl.concat(frames)

    def _smallest(
        self, breakdown: BreakdownColumn, cells: pl.DataFrame
    ) -> pl.DataFrame:
        """Return the numbers in ``cell`` of the values beyond the limit of their day.

        Values with the most views and downloads together come first, then the id
        decides. So the result depends on nothing but the events.
        """
        names, nothing = breakdown.values.names, cells.select("cell").clear()
        limit = self._limits.get(breakdown.key, len(names))
        if len(names) <= limit:
            return nothing
        assigned = [n for n, name in enumerate(names) if name in ASSIGNED]
        rows = (
            self._placed_cells(cells, len(names))
            .select(*_DAY, "value", "total_events")
            .with_columns(cells["cell"])
            .filter(~pl.col("value").is_in(assigned))
        )
        sizes = rows.group_by(*_DAY, "value").agg(pl.col("total_events").sum())
        crowded = sizes.group_by(_DAY).len().filter(pl.col("len") > limit)
        if crowded.is_empty():
            return nothing
        order = pl.Series(names, dtype=pl.String).arg_sort().arg_sort()
        sizes = sizes.join(crowded, on=_DAY, how="semi")
        small = (
            sizes.with_columns(order.gather(sizes["value"]).alias("id"))
            .sort(*_DAY, "total_events", "id", descending=[False, False, True, False])
            .filter(pl.int_range(pl.len()).over(_DAY) >= limit)
        )
        return rows.join(small, on=[*_DAY, "value"], how="semi").select("cell")


def _counted(
    events: pl.DataFrame, column: str, countings: "Sequence[_Counting]"
) -> dict[str, pl.DataFrame]:
    """Return breakdown key -> its counts, of breakdowns that a column determines."""
    if not countings:
        return {}
    for metric, frame in _distinct(events, column):
        for counting in countings:
            counting.add(metric, frame)
    return {counting.key: counting.counts() for counting in countings}


def seen(columns: EventColumns) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the things that were used in each community and day, as hashes.

    Yields:
        One of :data:`SEEN`, and the columns ``day``, ``community``, and a sorted list
        of 64-bit hashes.
    """
    events = columns.frame().select("day", "com", "kind", *_THINGS)
    communities = columns.communities.frame("com", "community")
    for number, kind in enumerate(KINDS):
        of_kind = events.filter(pl.col("kind") == number)
        for thing, things in _THINGS.items():
            if thing == "file" and kind == "view":
                continue
            found = (
                of_kind.filter(pl.col(thing) != NOBODY)
                .select("day", "com", thing)
                .unique()
                .join(communities, on="com")
                .select("day", "community", thing)
                .unique()
            )
            grouped = found.group_by("day", "community").agg(pl.col(thing).sort())
            yield f"{kind}_{things}", grouped


_THINGS = {"rec": "records", "par": "parents", "file": "files"}

SEEN = ("view_records", "view_parents", *(f"download_{t}" for t in _THINGS.values()))
"""The kinds of things that :func:`seen` yields."""


def _placed(
    frame: pl.DataFrame, communities: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, _Many]:
    """Number the combinations of ``_PLACE`` in which events count.

    Args:
        frame: the result of :meth:`~.event_columns.EventColumns.frame`.
        communities: one row for each number in the column ``com`` and community.

    Returns:
        The events with the column ``where``, which stands for several combinations; the
        combinations, one row each, whose positions are the numbers in ``place``; and
        the numbers in ``place`` for each number in ``where``.
    """
    lists = frame.select("day", "kind", "com").unique().with_row_index("where")
    rows = lists.join(communities, on="com").select("where", *_PLACE)
    places = rows.select(_PLACE).unique().with_row_index("place")
    rows = rows.join(places, on=_PLACE).select("where", "place")
    sizes = _sizes(rows, len(lists))
    events = frame.join(lists, on=["day", "kind", "com"]).drop("day", "com")
    return events, places.drop("place"), _Many(rows, sizes)


def _distinct(
    events: pl.DataFrame, column: str
) -> Iterator[tuple[str | None, pl.DataFrame]]:
    """Yield the distinct rows of events, for one column that determines values.

    All rows of a thing are in the same frame, so the counts of frames can be added up.

    Yields:
        A metric, and its distinct rows of ``where``, the column, and the thing that the
        metric counts; or None, and rows of ``where``, the column, and :data:`SUMS`.
    """
    by = ["where", column]
    for piece in _pieces(events, None):
        yield None, piece.group_by(by).agg(
            pl.len().alias("total_events").cast(pl.Int64),
            pl.col("size").sum().alias("total_volume"),
        )
    for metric, thing in _DISTINCT.items():
        having = pl.col(thing) != NOBODY
        if thing == "file":
            having &= pl.col("kind") == KINDS.index("download")
        for piece in _pieces(events.filter(having).select(*by, thing), thing):
            yield metric, piece.unique()


def _pieces(events: pl.DataFrame, thing: str | None) -> Iterable[pl.DataFrame]:
    """Divide events into pieces of roughly :data:`PIECE` rows; see :func:`_cut`."""
    return _cut(events, thing, math.ceil(len(events) / PIECE), seed=1)


def _cut(
    frame: pl.DataFrame, thing: str | None, portions: int, seed: int
) -> Iterable[pl.DataFrame]:
    """Divide a frame into portions, with all rows of a thing in the same portion.

    Args:
        frame: the rows.
        thing: the column of things; None divides by position.
        portions: number of portions.
        seed: seed of the hash. A frame that results from one division must be divided
            with another seed. With the same seed, all its rows can be in one portion.
    """
    if portions <= 1:
        return [frame]
    if thing is None:
        step = math.ceil(len(frame) / portions)
        return (frame.slice(i, step) for i in range(0, len(frame), step))
    number = pl.col(thing).hash(seed) % portions
    return (frame.filter(number == p) for p in range(portions))


def _sizes(rows: pl.DataFrame, count: int) -> pl.Series:
    """Return the number of rows for each number in the column ``where``."""
    found = rows.group_by("where").len()
    every = pl.DataFrame({"where": pl.int_range(count, dtype=pl.UInt32, eager=True)})
    return every.join(found, on="where", how="left", maintain_order="left")[
        "len"
    ].fill_null(0)


class _Counting:
    """Counts one breakdown.

    The column ``cell`` combines ``place`` and ``value`` into one number.

    Args:
        breakdown: the breakdown to count.
        where: the numbers in ``place`` for each number in ``where``.
        small: numbers in ``cell`` to count together for each ``place``, which then is
            the number in ``cell`` of the result; None to count each value.

    Attributes:
        key: key of the breakdown.
    """

    def __init__(
        self,
        breakdown: BreakdownColumn,
        where: _Many,
        small: pl.DataFrame | None = None,
    ) -> None:
        self.key, self._small = breakdown.key, small
        self._column, self._where = breakdown.column, where
        frame = breakdown.values.frame(breakdown.column, "value")
        self._values = _Many(frame, breakdown.values.sizes)
        self._base = len(breakdown.values.names)
        self._parts: dict[str | None, list[pl.DataFrame]] = {
            metric: [] for metric in (None, *_DISTINCT)
        }

    def add(self, metric: str | None, frame: pl.DataFrame) -> None:
        """Count a metric and frame of :func:`_distinct`."""
        thing = None if metric is None else _DISTINCT[metric]
        if metric is None or thing is None:
            counts = [pl.col(name).sum() for name in SUMS]
        else:
            counts = [pl.col(thing).n_unique().cast(pl.Int64).alias(metric)]
        sizes = self._where.sizes.gather(frame["where"])
        sizes = sizes * self._values.sizes.gather(frame[self._column])
        portions = math.ceil((sizes.sum() or 0) / PORTION)
        self._parts[metric] += [
            self._multiplied(portion).group_by("cell").agg(counts)
            for portion in _cut(frame, thing, portions, seed=2)
        ]

    def counts(self) -> pl.DataFrame:
        """Return a frame with the column ``cell`` and all :data:`METRICS`."""
        result = _together(self._parts[None])
        for metric in _DISTINCT:
            found = _together(self._parts[metric])
            result = result.join(found, on="cell", how="left")
        return result.with_columns(pl.col(*METRICS).fill_null(0))

    def _multiplied(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return each row once for each of its combinations of place and value."""
        cell = pl.col("place").cast(pl.UInt64) * self._base + pl.col("value")
        rows = (
            frame.join(self._where.frame, on="where")
            .join(self._values.frame, on=self._column)
            .with_columns(cell.alias("cell"))
            .drop("where", self._column, "place", "value")
        )
        if self._small is None:
            return rows
        rows = rows.join(self._small, on="cell", how="semi")
        return rows.with_columns(pl.col("cell") // self._base)


def _together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Add up the counts of all portions."""
    if len(parts) == 1:
        return parts[0]
    return pl.concat(parts).group_by("cell").agg(pl.all().sum())
