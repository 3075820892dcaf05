# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""One run of the back-fill: of all records, resumable, or of some."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

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
from .selection import Selection

_CAUSE = "backfill"
_SAVED_EVERY, _SHOWN_EVERY = 2.0, 0.2
_OVERLAP = timedelta(minutes=1)


class BackfillRun:
    """One run of the back-fill.

    Args:
        client: an OpenSearch client.
        names: the instance's :class:`~..search.names.Names`.
        store: an :class:`.store.EventStore`.
        reader: a :class:`.membership.MembershipReader`.
        recorder: a :class:`.recorder.Recorder`.
        progress: called with a :class:`.backfill.BackfillProgress` now and then.
        save_every: seconds between two savings of the position.
        cause: of the events; see :func:`.timeline.compare`.
        refresh: make what was written visible to searches at the end of a run. Live
            capture does not, since OpenSearch does so within a second.
    """

    def __init__(
        self,
        client,
        names,
        store,
        reader,
        recorder,
        progress=None,
        save_every=_SAVED_EVERY,
        cause=_CAUSE,
        refresh=True,
    ):
        """Keep what is needed."""
        self._client, self._names, self._store = client, names, store
        self._reader, self._recorder = reader, recorder
        self._progress = progress
        self._save_every = save_every
        self._cause = cause
        self._refresh = refresh
        self._totals = BackfillTotals()
        self._start = time.monotonic()
        self._show_pace = Pace(_SHOWN_EVERY)

    def run_all(self, dry_run=False):
        """Bring all records up to date, from where an interrupted run came to.

        When all have been seen, those that were created or changed since the
        beginning are looked at once more: a membership that changed between its
        reading and its writing is put right by that, and a record that appeared
        behind the position is found.

        Args:
            dry_run: count what would be written and write nothing.

        Returns:
            BackfillReport: what was done.
        """
        before = self._store.patiently(
            lambda: backfill_state(self._client, self._names)
        )
        position = None if dry_run else before.position
        started_at = before.started_at if position else timestamps.now()
        seen = before.seen if position else 0
        save_pace = Pace(self._save_every)

        def save(last, at_once=False):
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
        return replace(self._report(), went_on=position is not None, complete=True)

    def run_some(self, selection, dry_run=False):
        """Bring the records of a selection up to date.

        Args:
            selection: a :class:`.membership.Selection`.
            dry_run: count what would be written and write nothing.

        Returns:
            BackfillReport: what was done.
        """
        self._fill(selection, None, dry_run, None)
        return self._report(dry_run=dry_run)

    def _save(self, **changes):
        self._store.patiently(lambda: save_state(self._client, self._names, **changes))

    def _fill(self, selection, after, dry_run, save):
        if not dry_run:
            self._store.ensure_templates()
            self._store.refresh()
        records = self._reader.select(selection, after)
        total = records.count() if self._progress else 0

        def stored(last, rows, recorded):
            self._totals.add(rows, recorded)
            if save:
                save(last)
            try:
                self._show(total)
            except BaseException:
                # who ends a run here, such as a piece whose time is over, goes on here
                if save:
                    save(last, at_once=True)
                raise

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
        self._show(total, always=True)

    def _show(self, total, always=False):
        if self._progress and (always or self._show_pace.is_due()):
            totals = self._totals
            seconds = time.monotonic() - self._start
            self._progress(
                BackfillProgress(totals.records, total, totals.events, seconds)
            )

    def _report(self, dry_run=False):
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
