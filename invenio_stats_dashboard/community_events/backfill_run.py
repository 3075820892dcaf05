# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run the back-fill of all records, which can be resumed, or of a selection."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

from opensearchpy import OpenSearch

from ..search.names import Names
from . import timestamps
from .backfill import (
    MAX_LACKING,
    BackfillProgress,
    BackfillReport,
    BackfillTotals,
    Pace,
    fill,
)
from .backfill_state import backfill_state, save_state
from .membership import MembershipReader
from .recorder import Recorded, Recorder
from .selection import Selection
from .store import EventStore

_CAUSE = "backfill"
_SAVED_EVERY, _SHOWN_EVERY = 2.0, 0.2
_OVERLAP = timedelta(minutes=1)


class _Save(Protocol):
    """Stores the UUID of the last finished record, if a write is due."""

    def __call__(self, last: str, at_once: bool = False) -> None: ...


class BackfillRun:
    """One run of the back-fill.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        store: contains the events and facts.
        reader: reads the records.
        recorder: compares and writes.
        progress: called several times a second.
        save_every: seconds between two writes of the position.
        cause: cause of the events; see :func:`.timeline.compare`.
        refresh: make the stored documents visible to searches at the end of a run. Live
            capture does not, because OpenSearch does so within a second.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        store: EventStore,
        reader: MembershipReader,
        recorder: Recorder,
        progress: Callable[[BackfillProgress], None] | None = None,
        save_every: float = _SAVED_EVERY,
        cause: str | None = _CAUSE,
        refresh: bool = True,
    ) -> None:
        self._client, self._names, self._store = client, names, store
        self._reader, self._recorder = reader, recorder
        self._progress = progress
        self._save_every = save_every
        self._cause = cause
        self._refresh = refresh
        self._totals = BackfillTotals()
        self._start = time.monotonic()
        self._show_pace = Pace(_SHOWN_EVERY)

    def run_all(self, dry_run: bool = False) -> BackfillReport:
        """Write what all records lack; continue an interrupted run at its position.

        At the end, records that were created or changed since the start are compared
        again. This corrects memberships that changed between reading and writing, and
        finds records that were created behind the position.

        Args:
            dry_run: count what would be written and write nothing.
        """
        before = self._store.patiently(
            lambda: backfill_state(self._client, self._names)
        )
        position = None if dry_run else before.position
        # An unfinished back-fill always has a start time.
        started_at = cast(str, before.started_at) if position else timestamps.now()
        seen = before.seen if position else 0
        save_pace = Pace(self._save_every)

        def save(last: str, at_once: bool = False) -> None:
            if not dry_run and (at_once or save_pace.is_due()):
                self._save(
                    position=last,
                    seen=seen + self._totals.records,
                    started_at=started_at,
                )

        self._fill(Selection(), position, dry_run, save)
        if dry_run:
            return self._report(dry_run=True)
        records = seen + self._totals.records
        since = datetime.fromisoformat(started_at).replace(tzinfo=UTC) - _OVERLAP
        again = BackfillTotals()
        fill(
            self._reader.select(Selection(changed_since=since)).pages(),
            self._recorder,
            self._cause,
            stored=lambda last, rows, recorded: again.add(rows, recorded),
        )
        self._totals.events += again.events
        self._totals.facts += again.facts
        self._totals.conflicts += again.conflicts
        self._totals.refused += again.refused
        self._totals.lacking |= again.lacking
        self._totals.causes.update(again.causes)
        self._store.refresh()
        self._save(
            position=None,
            seen=0,
            records=records,
            started_at=started_at,
            finished_at=timestamps.now(),
        )
        return replace(self._report(), resumed=position is not None, complete=True)

    def run_some(self, selection: Selection, dry_run: bool = False) -> BackfillReport:
        """Write what the records of a selection lack.

        Args:
            selection: the records.
            dry_run: count what would be written and write nothing.
        """
        self._fill(selection, None, dry_run, None)
        return self._report(dry_run=dry_run)

    def _save(self, **changes: Any) -> None:
        self._store.patiently(lambda: save_state(self._client, self._names, **changes))

    def _fill(
        self,
        selection: Selection,
        after: str | None,
        dry_run: bool,
        save: _Save | None,
    ) -> None:
        if not dry_run:
            self._store.ensure_templates()
            self._store.refresh_events()
        records = self._reader.select(selection, after)
        total = records.count() if self._progress else 0
        position: str | None = None

        def show(always: bool = False) -> None:
            try:
                self._show(total, always)
            except BaseException:
                # A caller that ends the run here, as its time is over, resumes here.
                if save and position is not None:
                    save(position, at_once=True)
                raise

        def stored(last: str, rows: int, recorded: Recorded) -> None:
            nonlocal position
            position = last
            self._totals.add(rows, recorded)
            if save:
                save(last)
            show()

        fill(
            records.pages(),
            self._recorder,
            self._cause,
            dry_run,
            stored,
        )
        has_written = self._totals.events or self._totals.facts
        if self._refresh and has_written and not dry_run:
            self._store.refresh()
        show(always=True)

    def _show(self, total: int, always: bool = False) -> None:
        if self._progress and (always or self._show_pace.is_due()):
            totals = self._totals
            seconds = time.monotonic() - self._start
            self._progress(
                BackfillProgress(totals.records, total, totals.events, seconds)
            )

    def _report(self, dry_run: bool = False) -> BackfillReport:
        totals = self._totals
        return BackfillReport(
            records=totals.records,
            events=totals.events,
            facts=totals.facts,
            conflicts=totals.conflicts,
            skipped=totals.skipped,
            refused=tuple(totals.refused),
            causes=dict(sorted(totals.causes.items())),
            lacking=tuple(sorted(totals.lacking)[:MAX_LACKING]),
            seconds=time.monotonic() - self._start,
            dry_run=dry_run,
        )
