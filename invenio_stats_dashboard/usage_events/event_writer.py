# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Enriching and storing the events of a chunk of messages, whatever happens meanwhile."""

import time
from contextlib import suppress
from datetime import UTC, datetime

from opensearchpy.exceptions import OpenSearchException

from ..community_events.lookup import RecordLookup
from ..community_events.resolver import DatabaseResolver
from ..errors import SearchUnavailableError, StatsDashboardError
from ..search import bulk
from ..search.client import json_client, text_client
from ..search.mappings import ENRICHED_FIELDS
from ..search.names import EVENT_TYPES, Names
from .bulk_action import FinishedEvent
from .dead_letters import keep
from .enrichment import Splicer
from .maintenance.reattribution import noting
from .mapping_guard import MappedMonths
from .redelivery_journal import Journal

_LIMIT = 1200.0
"""Seconds to wait for OpenSearch; a broker may ask after its messages after 1800."""

_SHORT = 1.0
_LOOKUP_LIMIT = 20.0
_ENRICHED = frozenset(ENRICHED_FIELDS)
_KNOWN_SECONDS, _UNKNOWN_SECONDS = 60.0, 15.0


class EventWriter:
    """Enriches and stores events for one run.

    Args:
        app: the Flask application.
        queue: name of the queue that the events come from.
    """

    def __init__(self, app, queue):
        """Make the clients and an empty cache."""
        names, client = Names.of(app), json_client(app)
        self._client_json = client
        self._families = tuple(f"{names.events_alias(t)}-" for t in EVENT_TYPES)
        self._logger, self._names = app.logger, names
        self._client = text_client(app)
        self._recover = app.extensions["invenio-stats-dashboard"].recover_cutovers
        self._months = MappedMonths(client, app.logger.warning)
        self._lookup = RecordLookup(
            client,
            names,
            app.extensions["invenio-stats-dashboard"].subcounts,
            resolver=DatabaseResolver(app, client, names, noting(app, names)),
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
        self._noted, self._has_warned, self._closed = {}, False, set()

    def write(self, chunk, redelivered):
        """Store events; each that is refused for good becomes a dead letter.

        An event that is stored already, under another ``_id``, is left alone.

        Args:
            chunk: list of (body of the message, action as the stock code makes it).
            redelivered: one of the messages was in somebody's hands before.

        Returns:
            int: how many were refused.

        Raises:
            SearchUnavailableError: nothing could be stored for too long.
            StatsDashboardError: a dead letter cannot be kept.
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

    def acknowledged(self):
        """Take note that the messages of the last chunk are nobody's any more."""
        self._journal.acknowledged(self._noted)

    def close(self):
        """End the run: no message is in its hands."""
        self._journal.close()

    def _store(self, actions):
        """Store events and return how many were refused for good."""
        self._warn_of_reserved(actions)
        finished = [FinishedEvent.of(action) for action in actions]
        events = [event for event in finished if not event.problem]
        # the months that stay closed have had their time
        closed = [event for event in events if event.index in self._closed]
        open_ = [event for event in events if event.index not in self._closed]
        refused = self._sent(closed, _SHORT) + self._sent(open_, _LIMIT)
        refused += [(event, event.problem) for event in finished if event.problem]
        self._keep(refused)
        return len(refused)

    def _sent(self, events, limit):
        """Send events; return those that are refused, each with the reason.

        A month that refuses writes for as long as anything is waited for, such as one
        that the site has made read-only, must not keep the events of others: its own
        become dead letters.
        """
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
        return [(events[r.position], str(r)) for r in refusals]

    def _warn_of_reserved(self, actions):
        """Say once a run that the site fills fields which enrichment fills."""
        if self._has_warned:
            return
        for action in actions:
            fields = _ENRICHED & action["_source"].keys()
            if fields and action["_index"].startswith(self._families):
                self._has_warned = True
                self._logger.warning(
                    "The fields %s of usage events are filled by enrichment; what the "
                    "site's event builders or preprocessors put there is replaced. Let "
                    "them use another name.",
                    ", ".join(sorted(fields)),
                )
                return

    def _lines(self, events):
        """Return the bulk lines of events, enriched where that can be."""
        months = {e.index for e in events if e.index.startswith(self._families)}
        mapped = self._months.of(months, _LIMIT, self._logger.warning)
        ready = [n for n, event in enumerate(events) if event.index in mapped]
        lines = [event.lines(event.source) for event in events]
        enriched = self._enriched([events[n].source for n in ready])
        for n, source in zip(ready, enriched, strict=True):
            lines[n] = events[n].lines(source)
        return lines

    def _enriched(self, sources):
        """Return sources with their enrichment; as they are if the look-up fails."""
        try:
            splicer = Splicer(self._lookup, datetime.now(UTC).isoformat())
            return splicer.splice_known(sources)
        except Exception:  # whatever it is, the event must not be lost
            self._logger.exception(
                "%d events are stored without enrichment, since their records could "
                "not be looked up",
                len(sources),
            )
            return sources

    def _pause(self, seconds, events, lines):
        """Wait, and see that months that were switched meanwhile map enrichment.

        A switch that nobody finished would refuse writes for ever: the one worker there
        is may be this one, so it takes back what is overdue.
        """
        time.sleep(seconds)
        with suppress(OpenSearchException, StatsDashboardError):
            self._recover(self._client_json, self._names)
        months = {e.index for e in events if e.index.startswith(self._families)}
        with suppress(SearchUnavailableError):  # then the write fails, and waits again
            lost = months - self._months.of(months, limit=0.1)
            for n, event in enumerate(events):
                if event.index in lost:
                    lines[n] = event.lines(event.source)

    def _keep(self, refused):
        """Keep events that OpenSearch refuses for good as dead letters.

        Their messages are acknowledged after this.

        Args:
            refused: list of (:class:`~.bulk_action.FinishedEvent`, reason).
        """
        if refused:
            self._logger.error(
                "%d usage events are refused and become dead letters; the first: %s. "
                "When what is wrong is mended, 'invenio community-stats usage-events "
                "replay' puts them back.",
                len(refused),
                refused[0][1],
            )
        letters = [(event.head, event.source, reason) for event, reason in refused]
        keep(self._client, self._names, letters, _LIMIT, self._logger.warning)
