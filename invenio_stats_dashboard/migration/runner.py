# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Migrate one month from its legacy index to an enriched index.

The steps are copy, verification, cut-over, comparison with the backup and, if
requested, deletion of the backup. An interrupted migration is resumed.
"""

import time
from collections.abc import Mapping
from dataclasses import replace

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..errors import ClusterNotHealthyError, StatsDashboardError
from ..search.client import is_transient
from ..search.compare_and_set import Bookmark
from ..search.failures import as_error, block_of, explain
from ..search.seqno import positions
from ..usage_events.indices import (
    EventsIndex,
    Month,
    is_writable,
    migrated_serves,
    survey,
    target_name,
)
from . import alias_actions, target_index
from .alias_actions import Guard
from .backups import compare_with_backup, delete_backup, merge_beside
from .comparison import counts_per_day
from .cutover import (
    Cutover,
    CutoverAbortedError,
    abort_cutover_of_another_run,
    remove_leftover,
)
from .fingerprints import HASH
from .month_copy import MonthCopy
from .months import source_problem
from .plan import ignored_workers_sentence
from .report import (
    COPYING,
    DONE,
    EMPTY,
    ENRICHED,
    FAILED,
    PLANNED,
    ROLLING_BACK,
    SWITCHED,
    SWITCHING,
    MonthReport,
)
from .rollback import undo_anothers
from .run_context import PAUSES, MigrationRun
from .verification import VerificationError

_SWITCHES = 5
"""Attempts at a cut-over before the month counts as failed."""


class MonthMigration:
    """Migrates one event type and month.

    The constructor reads the bookmark and changes nothing.

    Args:
        run: the run that migrates.
        month: the month, as surveyed.
    """

    def __init__(self, run: MigrationRun, month: Month) -> None:
        self.run, self.month = run, month
        self.bookmark = Bookmark(run.client, run.names.reindexing, month.id)
        self.report = MonthReport(month.event_type, month.month)
        self.copy = MonthCopy(
            run, self.bookmark, self.report, self._target, self._fence
        )
        self._start = time.monotonic()

    # -- all steps ---------------------------------------------------------

    def migrate(self) -> MonthReport:
        """Migrate the month as far as possible.

        Returns:
            The report, also for a failed month.

        Raises:
            StatsDashboardError: one of :data:`.run_context.PAUSES`; the next run
                continues from the bookmark.
        """
        try:
            self._migrate()
        except PAUSES:
            self._note_totals()
            raise
        except VerificationError as error:
            self._start_anew_next_time(error)
        except StatsDashboardError as error:
            self._fail(error)
        except OpenSearchException as error:
            if is_transient(error) and not self._is_own_block(error):
                self._note_totals()
                raise as_error(error) from error
            self._fail(explain(error))
        finally:
            self.report.seconds = round(time.monotonic() - self._start, 3)
        return self.report

    def _is_own_block(self, error: OpenSearchException) -> bool:
        """Return whether an error is a block of an index of this month."""
        block = block_of(error)
        own = (self.month.source, self.month.target, self.month.backup)
        return block is not None and block.index in {i.name for i in own if i}

    def _migrate(self) -> None:
        self._recover()
        if self._serves_enriched():
            self._after_switch()
            return
        if self.month.source is None:
            self._note_state(ENRICHED if self.month.native else EMPTY)
            return
        if self.month.source.closed:
            raise StatsDashboardError(
                f"The index {self.month.source.name} is closed. Open it with "
                f"POST /{self.month.source.name}/_open, then run this month again."
            )
        problem = source_problem(self.run.names, self.month)
        if problem:
            raise StatsDashboardError(problem)
        self._prepare()
        final = self.month.source.settings.get("final_pipeline")
        for _ in range(_SWITCHES):
            if final:  # a cut-over that was aborted may have set it
                target_index.set_final_pipeline(self.run.client, self._fence, None)
            settled = self.copy.copy_and_verify(self.month.source)
            try:
                self._switch(settled)
                break
            except CutoverAbortedError as error:
                last = error
                self._refresh()
                self._claim()
        else:
            raise last
        self._refresh()
        self._after_switch()

    # -- names and state ---------------------------------------------------

    @property
    def _source(self) -> EventsIndex:
        """Return the legacy index; a month that is not yet cut over has one."""
        assert self.month.source is not None
        return self.month.source

    @property
    def _stock(self) -> str:
        return self.run.names.events_month(self.month.event_type, self.month.month)

    @property
    def _target(self) -> str:
        return target_name(self.run.names, self.month)

    @property
    def _fence(self) -> str:
        return alias_actions.mark_of(self._target, self.run.id)

    def _switch_names(self, old: str) -> alias_actions.CutoverNames:
        return alias_actions.CutoverNames(
            read=self.run.names.events_alias(self.month.event_type),
            month=self._stock,
            old=old,
            new=self._target,
            run=self.run.id,
        )

    @property
    def _guard(self) -> Guard:
        """Return this run's claim on the source, which every deletion requires."""
        source = self._source.name
        return source, alias_actions.mark_of(source, self.run.id)

    @property
    def _backup(self) -> str:
        return self.run.names.events_backup(self.month.event_type, self.month.month)

    def _refresh(self) -> None:
        """Survey the month again."""
        months, _ = survey(
            self.run.client,
            self.run.names,
            [self.month.event_type],
            [(self.month.month, self.month.month)],
        )
        mine = [m for m in months if m.id == self.month.id]
        self.month = (
            mine[0]
            if mine
            else type(self.month)(self.month.event_type, self.month.month)
        )

    def _serves_enriched(self) -> bool:
        return migrated_serves(self.run.names, self.month)

    def _recover(self) -> None:
        """Complete or abort a cut-over that another run did not finish."""
        state = self.bookmark.data.get("state")
        found = self.month.target
        read = self.run.names.events_alias(self.month.event_type)
        if self._serves_enriched():
            self._tidy(state)
            return
        half = found is not None and read in found.aliases
        if self.month.source and (state == SWITCHING or half):
            self.run.copier.check()
            self.run.step("recover")
            abort_cutover_of_another_run(
                self.run.client,
                self._switch_names(self.month.source.name),
                self._backup,
                self.bookmark,
                self.run.step,
            )
            self._refresh()
            if self._serves_enriched():
                self._tidy(SWITCHED)

    def _tidy(self, state: str | None) -> None:
        """Clean up after a cut-over, or abort an unfinished rollback."""
        run, backup = self.run, self.month.backup
        if state == ROLLING_BACK and backup is not None:
            run.copier.check()
            run.step("recover")
            names = replace(
                self._switch_names(self._target), old=self._target, new=backup.name
            )
            undo_anothers(run.client, names, self.bookmark, run.step)
            self._refresh()
            return
        indices = [i for i in (self.month.target, backup) if i is not None]
        left = [
            i.name
            for i in indices
            if any(alias_actions.is_mark(i.name, a) for a in i.aliases)
        ]
        if left:
            run.copier.check()
            alias_actions.remove_marks(run.client, *left)
            self._refresh()
        if state not in (SWITCHED, DONE, FAILED):
            self.bookmark.write(state=SWITCHED)

    def _claim(self) -> None:
        """Claim the month for this run, before anything is changed.

        Raises:
            LockLostError: another run has written the bookmark, for example while
                this one was frozen.
        """
        self.run.copier.check()
        self.run.step("claim")
        found = (self.month.source, self.month.target)
        alias_actions.claim(self.run.client, self.run.id, *[i.name for i in found if i])
        self.bookmark.write(
            kind="month",
            event_type=self.month.event_type,
            month=self.month.month,
            state=self.bookmark.data.get("state") or PLANNED,
            run=self.run.id,
        )

    # -- copy --------------------------------------------------------------

    def _prepare(self) -> None:
        """Claim the month, and resume its copy or create a new target and bookmark.

        A copy is resumed only if target and bookmark belong to this source and its
        history.
        """
        self._claim()
        source, found = self._source, self.month.target
        # a red source may recover in a moment
        self.run.copier.gate.wait([source.name])
        data = self.bookmark.data
        histories = {
            str(n): p.history
            for n, p in positions(self.run.client, source.name).items()
        }
        if len(histories) < source.shards:
            raise ClusterNotHealthyError(
                f"A shard of {source.name} has no started primary. Run the same "
                "command again when all primary shards of the index are active."
            )
        mine = (
            found is not None
            and data.get("source", {}).get("uuid") == source.uuid
            and data.get("source", {}).get("histories") == histories
            and data.get("target", {}).get("uuid") == found.uuid
            and data.get("hash") == HASH
            and not self.run.options.fresh_start
        )
        if mine:
            self.bookmark.write(state=COPYING, error=None)
        else:
            self._create(source, histories)
        self.copy.before = self.bookmark.data["copied"]
        self.report.state = COPYING

    def _create(self, source: EventsIndex, histories: Mapping[str, str]) -> None:
        client = self.run.client
        if source.name != self._backup:
            remove_leftover(client, source.name, self._backup, self._guard)
        self.run.step("drop target")
        target_index.drop(self.run, self.month, self._guard)
        self.run.step("create target")
        uuid = target_index.create(client, source, self._target, self._fence)
        self.run.step("store bookmark")
        now = self.run.now().isoformat()
        document = {
            "kind": "month",
            "event_type": self.month.event_type,
            "month": self.month.month,
            "state": COPYING,
            "run": self.run.id,
            "source": {
                "index": source.name,
                "uuid": source.uuid,
                "histories": histories,
                "events": source.docs,
            },
            "target": {"index": self._target, "uuid": uuid},
            "shards": {},
            "prints": {},
            "hash": HASH,
            "copied": 0,
            "batches": 0,
            "started_at": now,
            "seconds": 0,
            "error": None,
            "switch": None,
        }
        self.bookmark.replace(document)

    # -- cut-over ----------------------------------------------------------

    def _switch(self, settled: dict[int, int]) -> None:
        run, source = self.run, self._source
        run.step("replicas")
        self.copy.show("replicas")
        target_index.make_fit(
            run.client, self._target, source, run.options.fit_seconds, run.copier.sleep
        )
        self.copy.show("switching")
        ignored = run.before_switch(self.month, source.name)
        settled, delta = self.copy.bring_the_rest(source, settled)
        self.report.copied += delta.events
        run.client.indices.flush(
            index=source.name,
            params={"wait_if_ongoing": "true", "request_timeout": 120},
        )
        switched = Cutover(
            client=run.client,
            copier=run.copier,
            names=self._switch_names(source.name),
            backup=self._backup,
            bookmark=self.bookmark,
            seconds=run.options.switch_seconds,
            step=run.step,
            check=run.copier.check,
            final_pipeline=source.settings.get("final_pipeline"),
        ).make(settled, delta.only_written)
        self.report.copied += switched.delta
        self.report.block_seconds = round(switched.block_seconds, 3)
        self.bookmark.write(
            state=SWITCHED,
            copied=self.copy.before + self.report.copied,
            block_seconds=self.report.block_seconds,
            backup=self._backup,
        )
        if ignored:
            run.note(ignored_workers_sentence(self.month.id, ignored))
        run.step("switched")

    # -- after the cut-over ------------------------------------------------

    def _after_switch(self) -> None:
        """Compare the backup with the index in service; delete it if requested."""
        run, data = self.run, self.bookmark.data
        self.report.switched = True
        self._note_state(SWITCHED)
        if len(self.month.legacy) > 0:
            merge_beside(run, self.month, self.bookmark)
            self._refresh()
        backup = self.month.backup
        if backup is not None and (
            data.get("state") != DONE or run.options.fresh_start
        ):
            run.step("comparison")
            self.copy.show("comparing")
            brought = compare_with_backup(run, self.month, self.bookmark)
            self.report.verified = {"count": True, "checksum": True, "enrichment": True}
            self.bookmark.write(state=DONE, brought_after=brought, error=None)
            run.step("compared")
        elif data.get("state") != DONE or data.get("error"):
            self.bookmark.write(state=DONE, error=None)
        self._note_state(DONE)
        past = not is_writable(self.month.month, run.now())
        wanted = run.options.delete_past if past else run.options.delete_current
        if backup is not None and wanted:
            delete_backup(run, self.month, self.bookmark)
            self._refresh()
            self._note_state(DONE)
        self.copy.show(DONE)

    def _note_state(self, state: str) -> None:
        """Fill in the report of a month with an enriched index, or with none."""
        month = self.month
        self.report.state = state
        data = self.bookmark.data
        source = data.get("source", {})
        self.report.source_index = source.get("index") or (
            month.source.name if month.source else None
        )
        serving = month.target or month.native
        self.report.target_index = serving.name if serving else None
        self.report.backup_index = month.backup.name if month.backup else None
        self.report.switched = self._serves_enriched()
        if self.report.block_seconds is None:
            self.report.block_seconds = data.get("block_seconds")
        if state == DONE and data.get("verified"):
            self.report.verified = {"count": True, "checksum": True, "enrichment": True}
        self.report.unknown_records = self.run.copier.splicer.unknown
        self.report.events_source = _total(
            self.run.client, month.backup or month.source
        )
        self.report.events_target = _total(self.run.client, serving)

    def _note_totals(self) -> None:
        """Fill in the report of an unfinished month."""
        self.report.state = self.bookmark.data.get("state", self.report.state)
        source = self.month.source
        self.report.source_index = source.name if source else None
        self.report.target_index = self._target
        self.report.events_source = source.docs if source else 0
        self.report.events_target = self.bookmark.data.get("copied", 0)

    def _fail(self, error: StatsDashboardError | str) -> None:
        self._note_totals()
        # the bookmark first: a run that has lost the month must not report on it
        if self.bookmark.exists:
            state = self.bookmark.data.get("state")
            # recovery finds a cut-over that could not be aborted by its state
            state = state if state in (SWITCHING, SWITCHED, DONE) else FAILED
            self.bookmark.write(state=state, error=str(error))
        self.report.fail(error)
        if self.month.source is not None and not self._serves_enriched():
            try:
                client, source = self.run.client, self.month.source.name
                alias_actions.release(client, self.run.id, source)
            except OpenSearchException as raised:
                # the next run of the month removes the claim as well
                if is_transient(raised) and not block_of(raised):
                    raise

    def _start_anew_next_time(self, error: VerificationError) -> None:
        """Drop a copy that differs from its source; the source remains in service."""
        self.run.step("start anew")
        self._refresh()
        if self._serves_enriched():
            self._fail(error)
            return
        target_index.drop(self.run, self.month, self._guard)
        self._note_totals()
        self.report.target_index = None
        self.report.events_target = 0
        self.report.fail(
            f"{error} The source remains in service. The copy was deleted, and the "
            "next run copies this month from the beginning."
        )
        self.bookmark.write(
            state=FAILED, error=str(error), shards={}, prints={}, copied=0, target={}
        )
        alias_actions.release(self.run.client, self.run.id, self._source.name)


def _total(client: OpenSearch, index: EventsIndex | None) -> int:
    """Refresh an index and count its events; 0 without an open index."""
    if index is None or index.closed:
        return 0
    client.indices.refresh(index=index.name)
    return counts_per_day(client, index.name)[0]
