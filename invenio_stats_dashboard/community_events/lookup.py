# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Facts and timelines of records by identifier, from memory where they are there."""

import sys
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock

from ..errors import LookupPostponedError
from .facts import RecordFacts, registry_mark
from .store import EventStore
from .timeline import Timeline


@dataclass(frozen=True, slots=True)
class RecordContext:
    """What is known of a record.

    Attributes:
        facts: its facts; None for a record that nobody knows.
        timeline: its membership history; empty for one that nobody knows.
    """

    facts: RecordFacts | None
    timeline: Timeline


UNKNOWN = RecordContext(None, Timeline.empty())
"""The context of a record that nobody knows."""


class RecordLookup:
    """Gives the contexts of records; keeps those asked for last.

    It may be used by several threads and, but for the resolver, without an
    application context. What it keeps is not looked up again before it expires: a
    new one is for each run, or :meth:`forget` for records that changed.

    Args:
        client: an OpenSearch client, whether it decodes its answers or not.
        names: the instance's :class:`~..search.names.Names`.
        subcounts: the registry of breakdowns. Stored facts that were made with
            another one count as missing where there is a resolver.
        max_records: how many contexts to keep.
        resolver: function from a list of recids to a dict recid ->
            :class:`RecordContext`, asked for records that have no events or no
            facts; it stores what it finds
            (:class:`.resolver.DatabaseResolver`).
        limit: seconds to go on trying while OpenSearch takes no requests.
        waiting: called with a sentence before each pause.
        ttl: seconds for which a context is kept; None is for ever.
        unknown_ttl: the same for a record without facts; None is ``ttl``.
        postponed_is_unknown: whether a record that the resolver may not look up now is
            returned as unknown. Only a caller that leaves events of unknown records
            unenriched may set it; otherwise the error of the resolver is raised.
        clock: returns seconds that never go back.
    """

    def __init__(
        self,
        client,
        names,
        subcounts,
        max_records=50_000,
        resolver=None,
        limit=120,
        waiting=None,
        ttl=None,
        unknown_ttl=None,
        postponed_is_unknown=False,
        clock=time.monotonic,
    ):
        """Keep what is needed."""
        self._store = EventStore(client, names, limit=limit, waiting=waiting)
        self._mark = registry_mark(subcounts)
        self._max_records = max_records
        self._resolver = resolver
        self._ttl = ttl
        self._unknown_ttl = ttl if unknown_ttl is None else unknown_ttl
        self._postponed_is_unknown = postponed_is_unknown
        self._clock = clock
        self._contexts = OrderedDict()
        self._pool = _Pool()
        self._lock = Lock()

    def get(self, recids):
        """Return the contexts of records.

        Args:
            recids: identifiers; each is a key of the answer.

        Returns:
            dict: recid -> :class:`RecordContext`.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
            LookupPostponedError: the resolver may not look records up now.
        """
        with self._lock:
            contexts, missing, now = {}, [], self._clock()
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

    def forget(self, recids):
        """Look records up again when they are asked for next.

        Args:
            recids: identifiers.
        """
        with self._lock:
            for recid in recids:
                self._contexts.pop(recid, None)

    def _read(self, recids):
        stored = self._store.facts(recids)
        marks = self._store.marks(recids)
        found, doubtful = {}, []
        for recid in recids:
            facts, events = stored.get(recid), marks.get(recid)
            if not events or facts is None or facts.registry != self._mark:
                doubtful.append(recid)
            if events or facts:
                found[recid] = RecordContext(facts, Timeline(events or ()))
            else:
                found[recid] = UNKNOWN
        if doubtful and self._resolver:
            found.update(self._resolved(doubtful))
        return {recid: self._pool.shared(context) for recid, context in found.items()}

    def _resolved(self, recids):
        try:
            return self._resolver(recids)
        except LookupPostponedError:
            if not self._postponed_is_unknown:
                raise
            # also those with facts: without events their communities are not known
            return dict.fromkeys(recids, UNKNOWN)

    def _keep(self, contexts, now):
        for recid, context in contexts.items():
            ttl = self._unknown_ttl if context.facts is None else self._ttl
            self._contexts[recid] = context, None if ttl is None else now + ttl
            self._contexts.move_to_end(recid)
        while len(self._contexts) > self._max_records:
            self._contexts.popitem(last=False)
        if len(self._pool) > 4 * self._max_records:
            self._pool = _Pool()


class _Pool:
    """Makes equal values, and equal lists of them, one object in memory."""

    def __init__(self):
        self._lists, self._values = {}, {}

    def __len__(self):
        return len(self._lists) + len(self._values)

    def shared(self, context):
        """Return a context that shares what is equal with those seen before."""
        if context.facts is None:
            return context
        subcounts = {
            sys.intern(key): self._list(values)
            for key, values in context.facts.subcounts.items()
        }
        registry = sys.intern(context.facts.registry)
        facts = replace(context.facts, subcounts=subcounts, registry=registry)
        return RecordContext(facts, context.timeline)

    def _list(self, values):
        key = tuple(values)
        found = self._lists.get(key)
        if found is None:
            found = [self._values.setdefault(value, value) for value in values]
            self._lists[tuple(found)] = found
        return found
