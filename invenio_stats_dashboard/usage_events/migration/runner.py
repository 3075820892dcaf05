# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Taking one month from legacy to enriched, from wherever it stands."""

import time
from dataclasses import dataclass, replace

from opensearchpy.exceptions import OpenSearchException

from ...errors import (
    ClusterNotHealthyError,
    LockLostError,
    SearchUnavailableError,
    StatsDashboardError,
)
from ...search.bookmarks import Bookmark
from ...search.client import describe, is_transient
from ...search.seqno import IncompletePageError, positions
from . import aliases, target
from .after import compare_with_backup, delete_backup, merge_beside
from .comparison import counts_per_day
from .copying import Ahead, ReadBack, settled_positions, stored_in_order
from .delta import bring_delta
from .fingerprints import Fingerprints
from .months import is_writable, survey
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
    VERIFIED,
    MonthReport,
    Progress,
)
from .rollback import undo_anothers
from .switching import (
    Switch,
    SwitchTakenBackError,
    remove_leftover,
    take_back_anothers,
)
from .verification import VerificationError, Verifier

_SMALL = 500
_ROUNDS = 20
_SWITCHES = 5


class StoppedError(StatsDashboardError):
    """The run was asked to stop, or has done its share; it can be resumed.

    Args:
        text: the sentence.
        of_month: only this month has had its share; the next one is tried.
    """

    exit_code = 3

    def __init__(self, text, of_month=False):
        """Keep whether the run goes on with the next month."""
        super().__init__(text)
        self.of_month = of_month


PAUSES = (ClusterNotHealthyError, SearchUnavailableError, LockLostError, StoppedError)
"""What ends a run without being a month's failure."""


@dataclass(frozen=True)
class Options:
    """What a run was asked for.

    Attributes:
        batch_size: events in a batch.
        max_batches: batches a month, or None.
        switch_seconds: how long writing may be blocked.
        fit_seconds: how long to wait for the target's replicas.
        delete_past: delete the backups of past months.
        delete_current: delete the backups of months that can still be written.
        fresh_start: forget earlier progress.
    """

    batch_size: int = 5000
    max_batches: int | None = None
    switch_seconds: float = 30.0
    fit_seconds: float = 600.0
    delete_past: bool = False
    delete_current: bool = False
    fresh_start: bool = False


@dataclass(frozen=True)
class Run:
    """What all months of a run share.

    Attributes:
        id: unique id of the run.
        client: an ordinary client.
        names: the instance's names.
        copier: the :class:`~.copying.Copier`.
        fresh_lookup: makes a record look-up that has cached nothing.
        options: the :class:`Options`.
        progress: called with a :class:`~.report.Progress`.
        step: called with the name of each step before it is made.
        before_switch: called with a month before it is switched; waits for
            workers and snapshots, or raises.
        now: returns the present moment.
    """

    id: str
    client: object
    names: object
    copier: object
    fresh_lookup: object
    options: Options
    progress: object
    step: object
    before_switch: object
    now: object


class MonthMigration:
    """One event type and month.

    Args:
        run: the :class:`Run`.
        month: the :class:`~.months.Month` as surveyed.
    """

    def __init__(self, run, month):
        """Read the bookmark; changes nothing."""
        self.run, self.month = run, month
        self.bookmark = Bookmark(run.client, run.names.reindexing, month.id)
        self.report = MonthReport(month.event_type, month.month)
        self._copied_before = 0
        self._start = time.monotonic()

    # -- the whole ---------------------------------------------------------

    def migrate(self):
        """Take the month as far as it goes.

        Returns:
            MonthReport: a failed month is reported, not raised.

        Raises:
            StatsDashboardError: one of ``PAUSES``; the bookmark is kept.
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
        except IncompletePageError as error:
            self._note_totals()
            raise SearchUnavailableError(
                f"OpenSearch did not answer ({error}). Run the same command again."
            ) from error
        except OpenSearchException as error:
            if is_transient(error):
                self._note_totals()
                raise SearchUnavailableError(
                    f"OpenSearch did not answer ({describe(error)}). Run the same "
                    "command again when it does."
                ) from error
            self._fail(describe(error))
        finally:
            self.report.seconds = round(time.monotonic() - self._start, 3)
        return self.report

    def _migrate(self):
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
                f"POST /{self.month.source.name}/_open and run this month again."
            )
        self._prepare()
        for _ in range(_SWITCHES):
            settled = self._copy_and_verify()
            try:
                self._switch(settled)
                break
            except SwitchTakenBackError as error:
                last = error
                self._refresh()
                self._claim()
        else:
            raise last
        self._refresh()
        self._after_switch()

    # -- where it stands ---------------------------------------------------

    @property
    def _stock(self):
        return self.run.names.events_month(self.month.event_type, self.month.month)

    @property
    def _target(self):
        return self.run.names.events_target(self.month.event_type, self.month.month)

    @property
    def _fence(self):
        names = self.run.names
        return names.events_fence(self.month.event_type, self.month.month, self.run.id)

    def _switch_names(self, old):
        return aliases.Names(
            read=self.run.names.events_alias(self.month.event_type),
            month=self._stock,
            old=old,
            new=self._target,
            run=self.run.id,
        )

    @property
    def _guard(self):
        """Return this run's mark on the source, without which nothing is deleted."""
        source = self.month.source.name
        return source, aliases.mark_of(source, self.run.id)

    @property
    def _backup(self):
        return self.run.names.events_backup(self.month.event_type, self.month.month)

    def _refresh(self):
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

    def _serves_enriched(self):
        found = self.month.target
        return found is not None and self._stock in found.aliases

    def _recover(self):
        """Bring a switch that somebody did not finish to one of its ends."""
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
            take_back_anothers(
                self.run.client,
                self._switch_names(self.month.source.name),
                self._backup,
                self.bookmark,
                self.run.step,
            )
            self._refresh()
            if self._serves_enriched():
                self._tidy(SWITCHED)

    def _tidy(self, state):
        """Remove what a switch, or a rollback that was not made, has left."""
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
            if any(aliases.is_mark(i.name, a) for a in i.aliases)
        ]
        if left:
            run.copier.check()
            aliases.remove_marks(run.client, *left)
            self._refresh()
        if state not in (SWITCHED, DONE, FAILED):
            self.bookmark.write(state=SWITCHED)

    def _claim(self):
        """Make the month this run's own, before anything of it is changed.

        A run that lost the month while it was frozen learns it here at the latest,
        since somebody else has written the bookmark.
        """
        self.run.copier.check()
        self.run.step("claim")
        found = (self.month.source, self.month.target)
        aliases.claim(self.run.client, self.run.id, *[i.name for i in found if i])
        self.bookmark.write(
            kind="month",
            event_type=self.month.event_type,
            month=self.month.month,
            state=self.bookmark.data.get("state") or PLANNED,
            run=self.run.id,
        )

    # -- copy --------------------------------------------------------------

    def _prepare(self):
        """Have a target and a bookmark that belong to this very source."""
        self._claim()
        source, found = self.month.source, self.month.target
        data = self.bookmark.data
        histories = {
            str(n): p.history
            for n, p in positions(self.run.client, source.name).items()
        }
        if len(histories) < source.shards:
            raise ClusterNotHealthyError(
                f"Not every shard of {source.name} has a started primary. Run the same "
                "command again when the index is whole."
            )
        mine = (
            found is not None
            and data.get("source", {}).get("uuid") == source.uuid
            and data.get("source", {}).get("histories") == histories
            and data.get("target", {}).get("uuid") == found.uuid
            and not self.run.options.fresh_start
        )
        if mine:
            self.bookmark.write(state=COPYING, error=None)
        else:
            self._create(source, histories)
        self._copied_before = self.bookmark.data["copied"]
        self.report.state = COPYING

    def _create(self, source, histories):
        client = self.run.client
        if source.name != self._backup:
            remove_leftover(client, source.name, self._backup, self._guard)
        self.run.step("drop target")
        target.drop(client, self._target, self._guard)
        self.run.step("create target")
        uuid = target.create(client, source, self._target, self._fence)
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
            "copied": 0,
            "batches": 0,
            "started_at": now,
            "seconds": 0,
            "error": None,
            "switch": None,
        }
        self.bookmark.replace(document)

    def _copied(self):
        return {int(n): at for n, at in self.bookmark.data["shards"].items()}

    def _copy_and_verify(self):
        """Copy until little is left, and compare all of it.

        Returns:
            dict: shard -> position up to which everything is verified.
        """
        source = self.month.source.name
        prints = Fingerprints(self.bookmark.data["prints"])
        back = ReadBack(
            self.run.client,
            self.run.copier.text_client,
            self._target,
        )
        for _ in range(_ROUNDS):
            upto = self._checkpoints(source)
            left = self._left(upto)
            if self._copied() and left <= 0:
                break
            self._copy(source, upto, prints, back)
            if left <= _SMALL:
                break
        settled = self._copied()
        self.run.step("verify")
        self._show(VERIFIED)
        verifier = Verifier(
            self.run.copier, source, self._target, self._fence, self.run.fresh_lookup
        )
        found = verifier.verify(settled, prints, back.finish())
        self.run.step("verified")
        self.report.verified = {"count": True, "checksum": True, "enrichment": True}
        self.bookmark.write(
            state=VERIFIED,
            verified={
                "events": found.events,
                "repaired": found.repaired,
                "sampled": found.sampled,
            },
        )
        return settled

    def _checkpoints(self, source):
        found = settled_positions(self.run.client, source)
        if len(found) < self.month.source.shards:
            raise ClusterNotHealthyError(
                f"Not every shard of {source} has a started primary. Run the same "
                "command again when the index is whole."
            )
        return {shard: p.checkpoint for shard, p in found.items()}

    def _left(self, upto):
        copied = self._copied()
        return sum(at - copied.get(shard, -1) for shard, at in upto.items())

    def _copy(self, source, upto, prints, back):
        self.run.step("copy")
        ahead = Ahead(self.run.copier.batches(source, self._copied(), upto))
        clock = time.monotonic()
        before, spent = self.report.copied, self.bookmark.data["seconds"]
        try:
            for batch in stored_in_order(self._allowed(ahead), self._write):
                self._remember(batch, prints, spent + time.monotonic() - clock)
                back.written(len(batch.actions))
                seconds = time.monotonic() - clock
                rate = (self.report.copied - before) / max(seconds, 0.001)
                self._show(COPYING, rate=rate, backlog=self._left(upto))
        finally:
            ahead.close()

    def _allowed(self, batches):
        """Yield batches until this run has had its share of the month."""
        limit = self.run.options.max_batches
        left = None if limit is None else limit - self.report.batches
        for batch in batches:
            if left == 0:
                raise StoppedError(
                    f"{self.month.id}: {limit} batches were written, which is the "
                    "most for one run; run the same command again to go on.",
                    of_month=True,
                )
            left = None if left is None else left - 1
            yield batch

    def _write(self, batch):
        self.run.copier.write(self._fence, batch)
        self.run.step("batch written")

    def _remember(self, batch, prints, seconds):
        """Store that a batch, and all before it, are in the target."""
        for day, _, hash in batch.prints:
            prints.add(day, hash)
        self.report.copied += len(batch.actions)
        self.report.batches += 1
        self.bookmark.write(
            shards={**self.bookmark.data["shards"], str(batch.shard): batch.position},
            prints=prints.stored(),
            copied=self._copied_before + self.report.copied,
            batches=self.bookmark.data["batches"] + 1,
            seconds=round(seconds, 2),
        )
        self.run.step("bookmark written")

    def _show(self, state, rate=0.0, backlog=0, waiting=None):
        total = self._copied_before + self.report.copied + backlog
        self.run.progress(
            Progress(
                event_type=self.month.event_type,
                month=self.month.month,
                state=state,
                copied=self._copied_before + self.report.copied,
                total=max(total, self.bookmark.data.get("source", {}).get("events", 0)),
                rate=rate,
                backlog=backlog,
                waiting=waiting,
                eta=backlog / rate if rate else None,
            )
        )

    # -- switch ------------------------------------------------------------

    def _switch(self, settled):
        run, source = self.run, self.month.source
        run.step("replicas")
        self._show("replicas")
        target.make_fit(
            run.client, self._target, source, run.options.fit_seconds, run.copier.sleep
        )
        self._show("switching")
        run.before_switch(self.month)
        settled = self._nearly(source.name, settled)
        run.client.indices.flush(
            index=source.name,
            params={"wait_if_ongoing": "true", "request_timeout": 120},
        )
        switched = Switch(
            client=run.client,
            text_client=run.copier.text_client,
            copier=run.copier,
            names=self._switch_names(source.name),
            backup=self._backup,
            bookmark=self.bookmark,
            seconds=run.options.switch_seconds,
            step=run.step,
            check=run.copier.check,
        ).make(settled)
        self.report.copied += switched.delta
        self.report.block_seconds = round(switched.block_seconds, 3)
        self.bookmark.write(
            state=SWITCHED,
            copied=self._copied_before + self.report.copied,
            block_seconds=self.report.block_seconds,
            backup=self._backup,
        )
        self.run.step("switched")

    def _nearly(self, source, settled):
        """Bring and check what came since, until the block has little to do."""
        for _ in range(_ROUNDS):
            upto = self._checkpoints(source)
            left = sum(at - settled.get(shard, -1) for shard, at in upto.items())
            if left <= 0:
                break
            self.report.copied += bring_delta(
                self.run.copier,
                source,
                self._target,
                self._fence,
                settled,
                upto,
                self.run.copier.check,
            )
            settled = upto
            if left <= _SMALL:
                break
        return settled

    # -- afterwards --------------------------------------------------------

    def _after_switch(self):
        """Compare the backup with what serves, then delete it if that was asked."""
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
            self._show("comparing")
            brought = compare_with_backup(run, self.month, self.bookmark)
            self.report.verified = {"count": True, "checksum": True, "enrichment": True}
            self.bookmark.write(state=DONE, brought_after=brought, error=None)
            run.step("compared")
        elif data.get("state") != DONE:
            self.bookmark.write(state=DONE, error=None)
        self._note_state(DONE)
        past = not is_writable(self.month.month, run.now())
        wanted = run.options.delete_past if past else run.options.delete_current
        if backup is not None and wanted:
            delete_backup(run, self.month, self.bookmark)
            self._refresh()
            self._note_state(DONE)
        self._show(DONE)

    def _note_state(self, state):
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

    def _note_totals(self):
        """Fill in what can be said of a month that was left half way."""
        self.report.state = self.bookmark.data.get("state", self.report.state)
        source = self.month.source
        self.report.source_index = source.name if source else None
        self.report.target_index = self._target
        self.report.events_source = source.docs if source else 0
        self.report.events_target = self.bookmark.data.get("copied", 0)

    def _fail(self, error):
        self._note_totals()
        # first of all: a run that has lost the month has nothing to say of it
        if self.bookmark.exists:
            state = self.bookmark.data.get("state")
            # a switch that could not be taken back is brought back by others
            kept = state if state in (SWITCHING, SWITCHED, DONE) else FAILED
            self.bookmark.write(state=kept, error=str(error))
        self.report.fail(error)
        if self.month.source is not None and not self._serves_enriched():
            aliases.release(self.run.client, self.run.id, self.month.source.name)

    def _start_anew_next_time(self, error):
        """Drop a copy that is not the same; its source serves on."""
        self.run.step("start anew")
        self._refresh()
        if self._serves_enriched():
            self._fail(error)
            return
        target.drop(self.run.client, self._target, self._guard)
        self._note_totals()
        self.report.target_index = None
        self.report.events_target = 0
        self.report.fail(
            f"{error} Its index stays in place and serves; the copy was dropped, and "
            "the next run starts this month from the beginning."
        )
        self.bookmark.write(
            state=FAILED, error=str(error), shards={}, prints={}, copied=0, target={}
        )
        aliases.release(self.run.client, self.run.id, self.month.source.name)


def _total(client, index):
    """Count an index's events now, refreshed; 0 without an index."""
    if index is None or index.closed:
        return 0
    client.indices.refresh(index=index.name)
    return counts_per_day(client, index.name)[0]
