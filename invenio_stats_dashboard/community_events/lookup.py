# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Look up facts and timelines of records by identifier, with a cache in memory."""

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import TypeAlias

from opensearchpy import OpenSearch

from ..errors import LookupPostponedError
from ..search.names import Names
from ..subcounts import Subcount
from .facts import RecordFacts, registry_mark
from .store import EventStore
from .timeline import Timeline


@dataclass(frozen=True, slots=True)
class RecordContext:
    """Facts and membership history of a record.

    Attributes:
        facts: its facts; None for an unknown record.
        timeline: its membership history; empty for an unknown record.
    """

    facts: RecordFacts | None
    timeline: Timeline


_LONGEST_PID = 255

UNKNOWN = RecordContext(None, Timeline.empty())
"""The context of an unknown record."""

Resolver: TypeAlias = Callable[[list[str]], Mapping[str, RecordContext]]
"""Returns the contexts of records by identifier, without records that do not exist."""


class RecordLookup:
    """Returns the contexts of records, and caches those requested last.

    Several threads may use it. Only the resolver needs an application context. A cached
    context is not looked up again before it expires. Each run therefore creates its own
    look-up, or calls :meth:`forget` for records that changed.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        subcounts: the registry of breakdowns. With a resolver, stored facts that were
            computed with another registry count as missing.
        max_records: maximum number of contexts in the cache.
        resolver: returns the contexts of records that have no events or no facts, by
            identifier, and stores them (:class:`.resolver.DatabaseResolver`).
        limit: seconds to retry while OpenSearch accepts no requests.
        waiting: called with a sentence before each pause.
        ttl: seconds for which a context is cached; None for no limit.
        unknown_ttl: the same for a record without facts; None means ``ttl``.
        postponed_is_unknown: return a record as unknown if the resolver may not look it
            up now. Only a caller that leaves events of unknown records unenriched may
            set it. Otherwise the error of the resolver is raised.
        clock: returns seconds that never go back.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        subcounts: Mapping[str, Subcount],
        max_records: int = 50_000,
        resolver: Resolver | None = None,
        limit: float = 120,
        waiting: Callable[[str], None] | None = None,
        ttl: float | None = None,
        unknown_ttl: float | None = None,
        postponed_is_unknown: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = EventStore(client, names, limit=limit, waiting=waiting)
        self._mark = registry_mark(subcounts)
        self._max_records = max_records
        self._resolver = resolver
        self._ttl = ttl
        self._unknown_ttl = ttl if unknown_ttl is None else unknown_ttl
        self._postponed_is_unknown = postponed_is_unknown
        self._clock = clock
        self._contexts: OrderedDict[str, tuple[RecordContext, float | None]] = (
            OrderedDict()
        )
        self._pool = _Pool()
        self._lock = Lock()

    def get(self, recids: Iterable[str]) -> dict[str, RecordContext]:
        """Return the contexts of records.

        Args:
            recids: identifiers; each is a key of the result.

        Raises:
            SearchUnavailableError: OpenSearch accepted no requests for too long.
            LookupPostponedError: the resolver may not look up records now.
        """
        with self._lock:
            contexts: dict[str, RecordContext] = {}
            missing, now = [], self._clock()
            for recid in set(recids):
                context, expires = self._contexts.get(recid, (None, None))
                if context is None or (expires is not None and expires <= now):
                    missing.append(recid)
                else:
                    self._contexts.move_to_end(recid)
                    contexts[recid] = context
            if missing:
                found = self._read(missing)
                contexts.update(found)
                self._keep(found, now)
            return contexts

    def forget(self, recids: Iterable[str]) -> None:
        """Remove records from the cache, so that they are looked up again.

        Args:
            recids: identifiers.
        """
        with self._lock:
            for recid in recids:
                self._contexts.pop(recid, None)

    def _read(self, recids: Collection[str]) -> dict[str, RecordContext]:
        stored = self._store.facts(recids)
        marks = self._store.marks(recids)
        found: dict[str, RecordContext] = {}
        doubtful = []
        for recid in recids:
            facts, events = stored.get(recid), marks.get(recid)
            is_lacking = not events or facts is None or facts.registry != self._mark
            if is_lacking and _can_exist(recid):
                doubtful.append(recid)
            if events or facts:
                found[recid] = RecordContext(facts, Timeline(events or ()))
            else:
                found[recid] = UNKNOWN
        if doubtful and self._resolver:
            found.update(self._resolved(self._resolver, doubtful))
        return {recid: self._pool.shared(context) for recid, context in found.items()}

    def _resolved(
        self, resolver: Resolver, recids: list[str]
    ) -> Mapping[str, RecordContext]:
        try:
            return resolver(recids)
        except LookupPostponedError:
            if not self._postponed_is_unknown:
                raise
            # Records with facts too: without events, their communities are unknown.
            return dict.fromkeys(recids, UNKNOWN)

    def _keep(self, contexts: Mapping[str, RecordContext], now: float) -> None:
        for recid, context in contexts.items():
            ttl = self._unknown_ttl if context.facts is None else self._ttl
            self._contexts[recid] = context, None if ttl is None else now + ttl
            self._contexts.move_to_end(recid)
        while len(self._contexts) > self._max_records:
            self._contexts.popitem(last=False)
        if len(self._pool) > 4 * self._max_records:
            self._pool = _Pool()


def _can_exist(recid: str) -> bool:
    """Return whether the database can hold a record of this identifier.

    PostgreSQL stores no NUL, and InvenioRDM no persistent identifier that is longer.
    """
    return len(recid) <= _LONGEST_PID and "\0" not in recid


class _Pool:
    """Shares equal values, and equal lists of values, as one object in memory."""

    def __init__(self) -> None:
        self._lists: dict[tuple[str, ...], list[str]] = {}
        self._values: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._lists) + len(self._values)

    def shared(self, context: RecordContext) -> RecordContext:
        """Return an equal context that shares its values with earlier ones."""
        if context.facts is None:
            return context
        subcounts = {
            sys.intern(key): self._list(values)
            for key, values in context.facts.subcounts.items()
        }
        registry = sys.intern(context.facts.registry)
        facts = replace(context.facts, subcounts=subcounts, registry=registry)
        return RecordContext(facts, context.timeline)

    def _list(self, values: list[str]) -> list[str]:
        key = tuple(values)
        found = self._lists.get(key)
        if found is None:
            found = [self._values.setdefault(value, value) for value in values]
            self._lists[tuple(found)] = found
        return found
