# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Enrich and store a chunk of usage events without losing one on errors."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..community_events.lookup import RecordLookup
from ..community_events.resolver import DatabaseResolver
from ..errors import SearchUnavailableError, StatsDashboardError
from ..search import bulk
from ..search.client import json_client, text_client
from ..search.mappings import ENRICHED_FIELDS
from ..search.names import EVENT_TYPES, Names
from ..subcounts import Subcount
from .bulk_action import FinishedEvent
from .dead_letters import keep
from .enrichment import Splicer
from .maintenance.reattribution import noting
from .month_mappings import BLOCK_LIMIT, MappedMonths
from .redelivery_journal import EventName, Journal

_LIMIT = 1200.0
"""Seconds to wait for OpenSearch; brokers may redeliver messages after 1800 seconds."""

_SHORT = 1.0
_MISSING_INDEX_PAUSES = (0.1, 0.5, 2.0)
"""Seconds to wait before events are sent again whose index is missing."""

_LOOKUP_LIMIT = 20.0
_ENRICHED = frozenset(ENRICHED_FIELDS)
_KNOWN_SECONDS, _UNKNOWN_SECONDS = 60.0, 15.0


class EventWriter:
    """Enriches and stores events for one run.

    Args:
        app: the application.
        queue: name of the queue that the events come from.
        subcounts: the registry of breakdowns.
        recover: aborts cut-overs that no run finished in time.
        mapping_patience: seconds to wait for a month whose mapping cannot be changed
            because of a block.
    """

    def __init__(
        self,
        app: Flask,
        queue: str,
        subcounts: Mapping[str, Subcount],
        recover: Callable[[OpenSearch, Names], None],
        mapping_patience: float = BLOCK_LIMIT,
    ) -> None:
        names, client = Names.of(app), json_client(app)
        self._client_json = client
        self._families = tuple(f"{names.events_alias(t)}-" for t in EVENT_TYPES)
        self._logger, self._names = app.logger, names
        self._client = text_client(app)
        self._recover = recover
        self._months = MappedMonths(client, app.logger.warning, mapping_patience)
        self._lookup = RecordLookup(
            client,
            names,
            subcounts,
            resolver=DatabaseResolver(
                app, client, names, subcounts, noting(app, names)
            ),
            limit=_LOOKUP_LIMIT,
            waiting=app.logger.warning,
            ttl=_KNOWN_SECONDS,
            unknown_ttl=_UNKNOWN_SECONDS,
            postponed_is_unknown=True,
        )
        self._journal = Journal(
            client,
            names,
            queue,
            app.config.get("SECRET_KEY"),
            _LIMIT,
            app.logger.warning,
        )
        self._noted: dict[str, EventName] = {}
        self._has_warned = False
        self._closed: set[str] = set()

    def write(
        self, chunk: Sequence[tuple[str | bytes, dict[str, Any]]], redelivered: bool
    ) -> int:
        """Store events; an event that OpenSearch refuses becomes a dead letter.

        An event that is already stored under another ``_id`` is not stored again.

        Args:
            chunk: body of each message, and the action that the stock code made of it.
            redelivered: whether one of the messages was delivered before.

        Returns:
            The number of events that became dead letters.

        Raises:
            SearchUnavailableError: OpenSearch stored nothing for twenty minutes.
            StatsDashboardError: a dead letter cannot be stored.
        """
        digests = [self._journal.digest(body) for body, _ in chunk]
        self._noted = {
            digest: (action["_index"], action["_id"])
            for digest, (_, action) in zip(digests, chunk, strict=True)
        }
        stored = self._journal.stored(self._noted, redelivered)
        self._journal.note(self._noted)
        pairs = zip(digests, chunk, strict=True)
        return self._store([a for digest, (_, a) in pairs if digest not in stored])

    def acknowledged(self) -> None:
        """Record that the messages of the last chunk are acknowledged."""
        self._journal.acknowledged(self._noted)

    def close(self) -> None:
        """End the run; all its messages must be acknowledged."""
        self._journal.close()

    def _store(self, actions: Iterable[dict[str, Any]]) -> int:
        """Store events and return how many became dead letters."""
        self._warn_of_reserved(actions)
        finished = [FinishedEvent.of(action) for action in actions]
        events = [event for event in finished if not event.problem]
        # Do not wait again for months that refused writes earlier in this run.
        closed = [event for event in events if event.index in self._closed]
        open_ = [event for event in events if event.index not in self._closed]
        refused = self._sent(closed, _SHORT) + self._sent(open_, _LIMIT)
        refused += [(event, event.problem) for event in finished if event.problem]
        self._keep(refused)
        return len(refused)

    def _sent(
        self, events: list[FinishedEvent], limit: float
    ) -> list[tuple[FinishedEvent, str]]:
        """Send events; return those that are refused, each with the reason.

        If a month refuses writes for the whole ``limit``, for example because the site
        made it read-only, its events become dead letters. They must not delay the
        events of other months.

        A request that OpenSearch is processing while a cut-over replaces the index by
        an alias fails because the index is missing. Its events are sent again.
        """
        refused = self._sent_once(events, limit)
        for pause in _MISSING_INDEX_PAUSES if limit > _SHORT else ():
            missing = [event for event, refusal in refused if refusal.misses_index]
            if not missing:
                break
            time.sleep(pause)
            refused = [pair for pair in refused if not pair[1].misses_index]
            refused += self._sent_once(missing, limit)
        self._closed.update(e.index for e, refusal in refused if refusal.misses_index)
        return [(event, str(refusal)) for event, refusal in refused]

    def _sent_once(
        self, events: list[FinishedEvent], limit: float
    ) -> list[tuple[FinishedEvent, bulk.Refusal]]:
        """Send events; return those that are refused, each with its refusal."""
        if not events:
            return []
        lines = self._lines(events)
        try:
            refusals = bulk.write(
                self._client,
                None,
                lines,
                limit,
                waiting=self._logger.warning,
                sleep=lambda seconds: self._pause(seconds, events, lines),
            )
        except bulk.NotStoredError as error:
            if not error.waiting or not all(r.is_block for r in error.waiting):
                raise
            self._closed.update(events[r.position].index for r in error.waiting)
            refusals = error.refused + error.waiting
        return [(events[r.position], r) for r in refusals]

    def _warn_of_reserved(self, actions: Iterable[dict[str, Any]]) -> None:
        """Log once per run that the site sets fields which enrichment replaces."""
        if self._has_warned:
            return
        for action in actions:
            fields = _ENRICHED & action["_source"].keys()
            if fields and action["_index"].startswith(self._families):
                self._has_warned = True
                self._logger.warning(
                    "Enrichment replaces the fields %s of usage events, which the "
                    "site's event builders or preprocessors also set. Rename these "
                    "fields there.",
                    ", ".join(sorted(fields)),
                )
                return

    def _lines(self, events: list[FinishedEvent]) -> list[bytes]:
        """Return the bulk lines of events, enriched where their month allows it."""
        months = {e.index for e in events if e.index.startswith(self._families)}
        mapped = self._months.of(months, _LIMIT, self._logger.warning)
        ready = [n for n, event in enumerate(events) if event.index in mapped]
        lines = [event.lines(event.source) for event in events]
        enriched = self._enriched([events[n].source for n in ready])
        for n, source in zip(ready, enriched, strict=True):
            lines[n] = events[n].lines(source)
        return lines

    def _enriched(self, sources: list[bytes]) -> list[bytes]:
        """Return sources with their enrichment; unchanged if the look-up fails."""
        try:
            splicer = Splicer(self._lookup, datetime.now(UTC).isoformat())
            return splicer.splice_known(sources)
        except Exception:  # No error may lose the events.
            self._logger.exception(
                "%d events are stored without enrichment, because the look-up of "
                "their records failed",
                len(sources),
            )
            return sources

    def _pause(
        self, seconds: float, events: list[FinishedEvent], lines: list[bytes]
    ) -> None:
        """Wait, then check again which months can store enriched events.

        A cut-over may have moved a month to an index without the mapping. The events of
        such a month are sent without enrichment. An interrupted cut-over would refuse
        writes forever, and this may be the only worker, so it aborts cut-overs
        whose deadline has passed.

        Args:
            seconds: how long to wait.
            events: the events that are being sent.
            lines: their bulk lines, which are changed in place.
        """
        time.sleep(seconds)
        with suppress(OpenSearchException, StatsDashboardError):
            self._recover(self._client_json, self._names)
        months = {e.index for e in events if e.index.startswith(self._families)}
        # If this fails, the next write fails too, and the writer waits again.
        with suppress(SearchUnavailableError):
            lost = months - self._months.of(months, limit=0.1)
            for n, event in enumerate(events):
                if event.index in lost:
                    lines[n] = event.lines(event.source)

    def _keep(self, refused: list[tuple[FinishedEvent, str]]) -> None:
        """Store refused events as dead letters, before their messages are acknowledged.

        Args:
            refused: events, each with the reason.
        """
        if refused:
            self._logger.error(
                "%d usage events cannot be stored and become dead letters; the first: "
                "%s. Fix the event or the mapping, then run 'invenio community-stats "
                "usage-events replay'.",
                len(refused),
                refused[0][1],
            )
        letters = [(event.head, event.source, reason) for event, reason in refused]
        keep(self._client, self._names, letters, _LIMIT, self._logger.warning)
