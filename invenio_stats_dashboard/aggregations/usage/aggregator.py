# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Aggregate usage: find the days to count, count them, and continue the snapshots."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

from flask import Flask, current_app
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ...errors import StatsDashboardError
from ...search import index_templates
from ...search.client import describe
from ...search.names import (
    USAGE_DELTA,
    USAGE_FAMILIES,
    USAGE_MONTH,
    USAGE_SEEN,
    USAGE_SNAPSHOT,
    Names,
)
from ...search.paging import composite
from ...subcounts import Subcount
from ...usage_events.odd_events import OddEventStore
from ..aggregate_indices import AggregateIndices
from ..aggregate_reader import DocumentRange
from ..aggregate_store import AggregateStore, DocumentChange, WriteCounts
from ..counted_access import CountedAccess
from ..documents import between_runs_mapping, day_field
from ..record_access import AccessReader, AccessRules, RecordAccess
from ..runner import AggregationOptions, Step, StepResult
from ..source_positions import SourcePosition, SourcePositions
from .change_detection import ACCESS, REBUILT, RESTATED, DirtyDays
from .corrections import UsageCorrections
from .counting import DayCounts
from .day_batches import DayBatch, units
from .documents import deltas, seen_documents
from .event_columns import KINDS, EventColumns
from .event_filter import queries, rules
from .event_reader import EventReader
from .snapshots import SnapshotRestart, Snapshots
from .usage_totals import ShownBreakdowns
from .value_limits import value_limits

SCOPE = "usage"
_COUNT, _CONTINUE = "usage", "usage-snapshots"
_LEAST = 1000
"""Fixed cost of a batch, in events."""

_FAMILIES = (USAGE_DELTA, USAGE_SEEN, USAGE_SNAPSHOT, USAGE_MONTH)

_IDS = 1000
"""Maximum number of records whose days are found in one search."""

_NO_INDEX = "-"
"""Name of the bookmark for days that must be counted again but are in no index."""


class UsageAggregator:
    """Writes the usage families of one instance.

    Args:
        app: provides the configuration.
        client: decodes responses.
        text_client: does not decode responses.
        names: the instance's index names.
        subcounts: the registry of breakdowns.
        check: raises when this run must not write any more.
        waiting: called with a sentence before each pause.
        indices: finds the indices to write to; None for default settings.
        access_rules: returns the site's rules for hidden records.
    """

    def __init__(
        self,
        app: Flask,
        client: OpenSearch,
        text_client: OpenSearch,
        names: Names,
        subcounts: Mapping[str, Subcount],
        check: Callable[[], None] | None = None,
        waiting: Callable[[str], None] | None = None,
        indices: AggregateIndices | None = None,
        access_rules: Callable[[], AccessRules] = AccessRules,
    ) -> None:
        self._access = RecordAccess()
        self._access_reader = AccessReader(text_client, names, access_rules, waiting)
        self._counted_access = CountedAccess(client, names)
        self._indices = indices or AggregateIndices(client, names, check=check)
        self._client, self._names, self._subcounts = client, names, subcounts
        self._queries = queries(app)
        self._limits = value_limits(app.config, subcounts)
        mark = rules(app, subcounts)
        self._dirty = DirtyDays(client, names, tuple(self._queries), mark)
        self._sources = SourcePositions(client, names, SCOPE)
        self._reader = EventReader(text_client, waiting, odd=self._note_odd)
        self._odd_events = OddEventStore(client, names)
        self._odd: dict[tuple[str, str | None], dict[str, tuple[str, ...]]] = {}
        self._deltas, self._seen, self._snapshots, self._months = self._stores = [
            AggregateStore(text_client, names, family, self._indices, check, waiting)
            for family in _FAMILIES
        ]
        shown = ShownBreakdowns(
            {s.key: s.show == "all" for s in subcounts.values()},
            app.config["COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT"],
        )
        self._continued = Snapshots(
            client,
            names,
            self._deltas,
            self._seen,
            self._snapshots,
            self._months,
            shown,
        )
        self._corrections = UsageCorrections(client, names, self._deltas)
        self._known: dict[str, SourcePosition] = {}
        self._left, self._check = 0, check

    name = SCOPE

    def do(self, key: str) -> StepResult:
        """Do a step of another worker's run.

        Args:
            key: key of the :class:`~..runner.Step`.
        """
        kind, *rest = json.loads(key)
        if kind == _CONTINUE:
            return self._continue(rest[0])
        self._corrections.begin()
        self._known = self._sources.read()
        self._dirty.find(self._known)
        self._access = self._counted_access.read() or RecordAccess()
        return self._count(DayBatch(*rest), AggregationOptions())

    def phases(self, options: AggregationOptions) -> Iterator[list[Step]]:
        """Yield the steps of each phase of a run."""
        self._left = 0
        untrusted: Sequence[str] = (
            () if options.dry_run else self._indices.begin(_FAMILIES)
        )
        for days in self._chosen(options, untrusted):
            if days and not options.dry_run:
                self._indices.prepare(_FAMILIES, {day[:4] for day in days})
            if USAGE_DELTA in options.families:
                yield self._counting(options, days)
            if USAGE_SNAPSHOT in options.families and not options.dry_run:
                yield self._continuing(options)
        whole = {*USAGE_FAMILIES} <= {*options.families} and not options.dry_run
        restricted = options.communities or options.first or options.last
        if whole and not restricted and not self._left:
            self._corrections.complete()

    def days_left(self, options: AggregationOptions) -> int:
        """Return the number of days that are left for the next run."""
        return self._left

    def finish(self) -> None:
        """Make all written documents visible to searches."""
        for store in self._stores:
            store.refresh()

    @property
    def patterns(self) -> list[str]:
        """Return patterns of the indices that are read and written.

        A health request for a missing index would wait for it; a request for a pattern
        does not.
        """
        events = [self._names.events_alias(t) for t in self._queries]
        written = (store.alias for store in self._stores)
        return [f"{alias}-*" for alias in (*events, *written)]

    def _chosen(
        self, options: AggregationOptions, untrusted: Sequence[str]
    ) -> Iterator[list[str]]:
        """Yield lists of days to count, in order.

        Each year for which no document was written yet starts another list, because the
        size of the indices is known only after earlier years and their snapshots are
        written.
        """
        if USAGE_DELTA not in options.families:
            yield []
            return
        self.scan(options.dry_run)
        if untrusted:
            self.rebuild(why=RESTATED)
            self._indices.settle(_FAMILIES)
        if options.rebuild:
            self.rebuild(
                options.first, options.last, options.communities, options.dry_run
            )
        days = sorted(self.pending(options.first, options.last))
        chosen = days[: options.limit]
        self._left = len(days) - len(chosen)
        if options.dry_run:
            yield chosen
            return
        until = f"{self._indices.until(_FAMILIES):04d}"
        years = groupby(chosen, key=lambda day: max(day[:4], until))
        yield from [list(of_year) for _, of_year in years] or [[]]

    def _counting(self, options: AggregationOptions, days: list[str]) -> list[Step]:
        """Return the steps that count some days."""
        unshared = options.communities or options.dry_run
        return [
            Step(
                f"usage of {_span(unit)}",
                unit.events + _LEAST,
                partial(self._count, unit, options),
                None if unshared else _key(_COUNT, unit.first, unit.last, unit.events),
            )
            for unit in self.units(days)
        ]

    def _count(self, unit: DayBatch, options: AggregationOptions) -> StepResult:
        written, events = self.count(unit, options.communities, options.dry_run)
        if options.communities is None and not options.dry_run:
            self.done(unit.days)
        return StepResult({USAGE_DELTA: written}, events, len(unit.days))

    def _continuing(self, options: AggregationOptions) -> list[Step]:
        """Return the steps that continue snapshots."""
        groups = self.groups(options.communities)
        if groups:
            self._indices.prepare(_FAMILIES)
            index_templates.make(
                self._client, self._names.between_runs, between_runs_mapping()
            )
        return [
            Step(
                f"usage snapshots of {_some(group)}",
                len(group),
                partial(self._continue, group),
                _key(_CONTINUE, group),
            )
            for group in groups
        ]

    def _continue(self, group: Mapping[str, str]) -> StepResult:
        return StepResult({USAGE_SNAPSHOT: self.continue_snapshots(group)})

    # -- planning -----------------------------------------------------------

    def scan(self, dry_run: bool = False) -> None:
        """Find the days to count again, and store them before anything is counted.

        Args:
            dry_run: store nothing.
        """
        self._corrections.begin()
        self._known = self._sources.read()
        for source in self._dirty.scan(self._known):
            self._keep(source if dry_run else self._sources.save(source), source)
        self._scan_access(dry_run)

    def _scan_access(self, dry_run: bool) -> None:
        """Find the days on which records count whose access has changed."""
        stored = self._counted_access.read()
        before = stored or RecordAccess()
        self._access = self._access_reader.read(before)
        if stored is None and self._stored_days():
            # The access that was counted is unknown.
            self.rebuild(why=ACCESS, dry_run=dry_run)
        if self._access == stored:
            return
        changed = sorted(self._access.changed(before))
        size = min(_IDS, self._dirty.max_terms)
        for start in range(0, len(changed), size):
            self._count_again(changed[start : start + size], dry_run)
        if not dry_run:
            if self._check:
                self._check()
            self._counted_access.write(self._access)

    def _count_again(self, recids: list[str], dry_run: bool) -> None:
        """Add the days on which records were used to the days to count again."""
        if self._check:
            self._check()
        found = self._dirty.days_of({"terms": {"recid": recids}})
        for index, days in found.items():
            source = self._known.get(index)
            if source is None or days <= set(source.redo):
                continue
            why = {**dict.fromkeys(days, ACCESS), **source.why}
            source = replace(source, redo=tuple(sorted(why)), why=why)
            self._keep(source if dry_run else self._sources.save(source), source)

    def pending(
        self, first: str | None = None, last: str | None = None
    ) -> dict[str, str]:
        """Return the days to count again, each with the reason.

        Args:
            first: first day, or None.
            last: last day, inclusive, or None.
        """
        why: dict[str, str] = {}
        # The reason of a missing index says more than that of a new one.
        for source in sorted(self._known.values(), key=lambda s: not s.gone):
            for day in source.redo:
                if (not first or day >= first) and (not last or day <= last):
                    why.setdefault(day, source.why.get(day, ""))
        return why

    def units(self, days: Collection[str]) -> list[DayBatch]:
        """Group days into batches."""
        counts: dict[str, int] = {}
        for source in self._known.values():
            for day in days:
                counts[day] = counts.get(day, 0) + source.counts.get(day, 0)
        return units(days, counts)

    def rebuild(
        self,
        first: str | None = None,
        last: str | None = None,
        communities: Collection[str] | None = None,
        dry_run: bool = False,
        why: str = REBUILT,
    ) -> None:
        """Schedule all days to be counted again, including days without events.

        Args:
            first: first day, or None.
            last: last day, inclusive, or None.
            communities: only these. The days are then not stored for later runs.
            dry_run: store nothing.
            why: reason for the correction log.
        """
        days = {day for source in self._known.values() for day in source.counts}
        days |= self._stored_days()
        days = {
            d for d in days if (not first or d >= first) and (not last or d <= last)
        }
        source = self._known.get(_NO_INDEX) or SourcePosition(
            SCOPE, _NO_INDEX, gone=True
        )
        reasons = {**dict.fromkeys(days, why), **source.why}
        source = replace(source, redo=tuple(sorted(reasons)), why=reasons)
        unsaved = dry_run or communities is not None
        self._keep(source if unsaved else self._sources.save(source), source)
        if days and not dry_run:
            found: Iterable[str] = (
                self._communities() if communities is None else communities
            )
            redo = SnapshotRestart(self._client, self._names, self._check)
            redo.note([_Noted(community, min(days)) for community in found])

    def forget(self) -> None:
        """Schedule everything to be counted again, by the next run or several runs."""
        self._known = self._sources.read()
        # Only this finds days that have documents but no longer any events.
        self.rebuild()
        for name, source in list(self._known.items()):
            if name != _NO_INDEX:
                self._sources.delete(source)
                self._keep(None, source)

    # -- working ------------------------------------------------------------

    def count(
        self,
        unit: DayBatch,
        communities: Collection[str] | None = None,
        dry_run: bool = False,
    ) -> tuple[WriteCounts, int]:
        """Count the events of a batch and write its deltas.

        Args:
            unit: the batch.
            communities: only these; None for all.
            dry_run: write nothing.

        Returns:
            The numbers of deltas that were written, and of events that were counted.
        """
        columns = self._columns(unit)
        counted = DayCounts(columns, self._limits)
        documents = deltas(counted)
        seen = seen_documents(columns)
        parts = [DocumentRange(unit.first, unit.last)]
        if communities is not None:
            wanted = set(communities)
            parts = [DocumentRange(unit.first, unit.last, c) for c in sorted(wanted)]
            documents = (d for d in documents if d.community in wanted)
            seen = (d for d in seen if d.community in wanted)
        self._store_odd(dry_run)
        if dry_run:
            return self._deltas.dry(documents, parts), len(columns)
        redo = SnapshotRestart(self._client, self._names, self._check)
        tell = self._corrections.watch(unit, counted, self.pending())

        def before(changes: Sequence[DocumentChange]) -> None:
            # First, so that a killed run does not leave outdated snapshots.
            redo.note(changes)
            tell(changes)

        self._seen.replace(seen, parts, before=redo.note)
        return self._deltas.replace(documents, parts, before=before), len(columns)

    def done(self, days: Iterable[str]) -> None:
        """Remove counted days from the days to count again."""
        days = set(days)
        for source in list(self._known.values()):
            if days.intersection(source.redo):
                stored = self._sources.remove(source.index, days, self._check)
                self._keep(stored, source)

    def groups(
        self, communities: Collection[str] | None = None
    ) -> list[dict[str, str]]:
        """Return the communities whose snapshots must be continued, in groups.

        Args:
            communities: only these; None for all.

        Returns:
            Groups of community -> first day.
        """
        days = SnapshotRestart(self._client, self._names).days
        if communities is not None:
            days = {c: day for c, day in days.items() if c in communities}
        return self._continued.groups(days)

    def continue_snapshots(self, group: Mapping[str, str]) -> WriteCounts:
        """Write the snapshots of a group of communities.

        Args:
            group: community -> first day.
        """
        written = self._continued.redo(group)
        SnapshotRestart(self._client, self._names, self._check).done(group)
        return written

    def _columns(self, unit: DayBatch) -> EventColumns:
        """Read the events of a batch."""
        columns = EventColumns(self._subcounts, self._access)
        for name, index in sorted(self._dirty.indices.items()):
            source = self._known.get(name)
            if source is None or not any(day in source.counts for day in unit.days):
                continue
            pages = self._reader.read(
                name,
                index.shards,
                unit.first,
                unit.last,
                self._queries[index.event_type],
            )
            for events in pages:
                columns.add(KINDS.index(index.event_type), events)
        return columns

    def _note_odd(self, index: str, id: str, fields: tuple[str, ...]) -> None:
        event_type = self._dirty.indices[index].event_type
        month = self._names.month_of(event_type, index)
        self._odd.setdefault((event_type, month), {})[id] = fields

    def _store_odd(self, dry_run: bool) -> None:
        """Store the odd events that were read."""
        found, self._odd = self._odd, {}
        for (event_type, month), events in found.items() if not dry_run else ():
            try:
                self._odd_events.add(event_type, month, events)
            except (OpenSearchException, StatsDashboardError) as error:
                # The list is only for operators, so it must not stop the counting.
                current_app.logger.warning(
                    "Odd events of %s cannot be stored. %s", month, describe(error)
                )

    def _keep(self, stored: SourcePosition | None, source: SourcePosition) -> None:
        """Update the bookmark of a source in memory; None if it was deleted."""
        if stored is None:
            self._known.pop(source.index, None)
        else:
            self._known[source.index] = stored

    def _stored_days(self) -> set[str]:
        """Return all days for which a document is stored."""
        days: set[str] = set()
        for store in (self._deltas, self._seen, self._snapshots):
            store.refresh()
            histogram = {
                "field": day_field(store.family),
                "calendar_interval": "day",
                "format": "yyyy-MM-dd",
                "min_doc_count": 1,
            }
            found = self._aggregation(store, {"date_histogram": histogram})
            days |= {bucket["key_as_string"] for bucket in found["buckets"]}
        return days

    def _communities(self) -> list[str]:
        """Return all communities for which a document is stored."""
        found: set[str] = set()
        for store in (self._deltas, self._seen, self._snapshots):
            search = partial(self._aggregation, store)
            buckets = composite(search, {"community": "community_id"}, 5000)
            found |= {bucket["key"]["community"] for bucket in buckets}
        return sorted(found)

    def _aggregation(
        self, store: AggregateStore, aggregation: Mapping[str, Any]
    ) -> dict[str, Any]:
        answer = self._client.search(
            index=store.alias,
            body={"size": 0, "aggs": {"found": aggregation}},
            params={"ignore_unavailable": "true"},
        )
        return answer.get("aggregations", {}).get("found", {"buckets": []})


@dataclass(frozen=True)
class _Noted:
    community: str
    day: str


def _key(*things: object) -> str:
    return json.dumps(things)


def _span(unit: DayBatch) -> str:
    return unit.first if unit.first == unit.last else f"{unit.first} to {unit.last}"


def _some(group: Mapping[str, str]) -> str:
    first = min(group)
    return first if len(group) == 1 else f"{len(group)} communities"
