# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Roll a month back to its legacy index, with the events written since the cut-over."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..errors import LockLostError, StatsDashboardError
from ..search import bulk
from ..search.client import is_transient
from ..search.compare_and_set import Bookmark, by_shard
from ..search.failures import as_error, explain
from ..search.seqno import NOTHING, StoredDocument, page, positions, settled_positions
from ..usage_events.enrichment import native_bytes
from ..usage_events.indices import Month, migrated_serves
from . import alias_actions, target_index
from .alias_actions import CutoverNames
from .comparison import ComparedIndex, compare_day, fingerprints_of_both
from .cutover import MARGIN, flushed_positions
from .plan import ignored_workers_sentence
from .report import DONE, ROLLED_BACK, ROLLING_BACK, SWITCHED
from .run_context import MigrationRun

_SMALL = 500
"""Number of remaining operations at which the rounds end."""
_ROUNDS = 20
_PAGE = 5000


@dataclass(frozen=True)
class RollbackResult:
    """The outcome for one month.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        index: the legacy index that serves again, or None.
        copied_back: number of events written since the cut-over that were copied back.
        error: the reason why the month was not rolled back, or None.
    """

    event_type: str
    month: str
    index: str | None = None
    copied_back: int = 0
    error: str | None = None


def roll_back(run: MigrationRun, month: Month) -> RollbackResult:
    """Put a month's legacy index back into service.

    The call can be killed at any moment and repeated; the next call continues.

    Args:
        run: the run that rolls back.
        month: the month to roll back.

    Returns:
        The outcome, also of a rollback that failed.

    Raises:
        StatsDashboardError: the run was stopped or has lost its lock, or OpenSearch
            does not answer. The call can be repeated.
    """
    try:
        return _begin_or_finish(run, month)
    except StatsDashboardError as error:
        if error.exit_code == LockLostError.exit_code:
            raise
        return _failed(month, str(error))
    except OpenSearchException as error:
        if not is_transient(error):
            return _failed(month, explain(error))
        raise as_error(error) from error


def _begin_or_finish(run: MigrationRun, month: Month) -> RollbackResult:
    bookmark = Bookmark(run.client, run.names.reindexing, month.id)
    state = bookmark.data.get("state")
    serving = migrated_serves(run.names, month)
    if not serving and state in (ROLLING_BACK, ROLLED_BACK):
        return _finished(run, month, bookmark)
    if not serving:
        return _failed(month, "it is not migrated")
    if month.backup is None:
        return _failed(month, "its backup was deleted")
    if state not in (DONE, SWITCHED, ROLLING_BACK):
        return _failed(month, "its migration is not finished; run it again first")
    carried = _Back(run, month, bookmark).make()
    return RollbackResult(month.event_type, month.month, month.backup.name, carried)


def _failed(month: Month, reason: str) -> RollbackResult:
    return RollbackResult(month.event_type, month.month, error=reason)


def _finished(run: MigrationRun, month: Month, bookmark: Bookmark) -> RollbackResult:
    """Complete a rollback that was killed after its last call."""
    source = month.source
    if source is None or source.name != run.names.events_backup(
        month.event_type, month.month
    ):
        return _failed(month, "it is not migrated")
    run.copier.check()
    found = [source, *([month.target] if month.target else [])]
    alias_actions.claim(run.client, run.id, *[i.name for i in found])
    _close(run, month, bookmark, source.name)
    return RollbackResult(month.event_type, month.month, source.name)


def _close(run: MigrationRun, month: Month, bookmark: Bookmark, serving: str) -> None:
    """Reset the bookmark and drop the enriched index, whose events were all compared.

    The bookmark comes first: while its state is ``rolling-back``, any process that
    finds the deadline passed would remove this run's claim.

    Args:
        run: the run that rolls back.
        month: the month to close.
        bookmark: the month's bookmark.
        serving: name of the legacy index, which serves now.
    """
    bookmark.replace(
        {
            "kind": "month",
            "event_type": month.event_type,
            "month": month.month,
            "state": ROLLED_BACK,
            "error": None,
        }
    )
    run.step("rolled back")
    guard = (serving, alias_actions.mark_of(serving, run.id))
    target_index.drop(run, month, guard)
    alias_actions.release(run.client, run.id, serving)


class _Back:
    """A cut-over in reverse: ``old`` is the enriched index, ``new`` the backup."""

    def __init__(self, run: MigrationRun, month: Month, bookmark: Bookmark) -> None:
        assert month.target is not None and month.backup is not None
        self.run, self.month, self.bookmark = run, month, bookmark
        self.new, self.old = month.backup.name, month.target.name
        self._final_pipeline = month.target.settings.get("final_pipeline")
        self._has_final_pipeline = bool(
            self._final_pipeline or month.backup.settings.get("final_pipeline")
        )
        names = run.names
        self.names = alias_actions.CutoverNames(
            read=names.events_alias(month.event_type),
            month=names.events_month(month.event_type, month.month),
            old=self.old,
            new=self.new,
            run=run.id,
        )

    def make(self) -> int:
        """Copy events back, compare, cut over, and only then drop the enriched index.

        Returns:
            The number of events that were copied back.
        """
        self._claim()
        try:
            ignored = self.run.before_switch(self.month, self.old)
            if ignored:
                self.run.note(ignored_workers_sentence(self.month.id, ignored))
            carried, at = self._prepare()
        except StatsDashboardError as error:
            if error.exit_code != LockLostError.exit_code:
                self._leave()
            raise
        self._note_intent()
        try:
            carried += self._switch(at)
        except BaseException as error:
            # after any error, writes must be possible again
            self.run.step("rollback abort")
            undone = undo(self.run.client, self.names, self.bookmark, self.run.step)
            if undone or not isinstance(
                error, (OpenSearchException, StatsDashboardError)
            ):
                raise
        _close(self.run, self.month, self.bookmark, self.new)
        return carried

    def _prepare(self) -> tuple[int, dict[int, int]]:
        """Copy events back and compare, while the enriched index serves.

        Returns:
            The number of copied events, and shard -> position they were copied up to.
        """
        self.run.step("rollback carry")
        alias_actions.lift_block(self.run.client, self.names.fence)
        if self._has_final_pipeline:
            fence = self.names.fence
            target_index.set_final_pipeline(self.run.client, fence, None)
        carried, at = self._carry_all()
        self.run.step("rollback compare")
        self._compare(at)
        return carried, at

    def _leave(self) -> None:
        """Block the backup again and release both indices; copied events remain."""
        alias_actions.block_writes(self.run.client, self.names.fence)
        alias_actions.release(self.run.client, self.run.id, self.old, self.new)

    def _claim(self) -> None:
        run = self.run
        run.copier.check()
        if self.bookmark.data["state"] == ROLLING_BACK:
            run.step("recover")
            undo_anothers(run.client, self.names, self.bookmark, run.step)
        alias_actions.claim(run.client, run.id, self.old, self.new)
        self.bookmark.write(run=run.id)

    def _note_intent(self) -> None:
        """Store deadline and names, so that any process can abort the rollback."""
        until = self.run.now() + timedelta(seconds=self.run.options.switch_seconds)
        switch = {
            **(self.bookmark.data.get("switch") or {}),
            "until": until.isoformat(),
            "new": self.old,
            "backup": self.new,
        }
        self.run.step("rollback intent")
        self.bookmark.write(state=ROLLING_BACK, switch=switch)

    def _switch(self, at: Mapping[int, int]) -> int:
        """Block writes, copy the last events back, and move both names.

        Returns:
            The number of events that were copied meanwhile.
        """
        client, step = self.run.client, self.run.step
        seconds = self.run.options.switch_seconds
        deadline = time.monotonic() + seconds
        in_time = partial(self._in_time, deadline, seconds)
        step("rollback block")
        in_time()
        alias_actions.block_writes(client, self.names.mark, max(seconds, 1))
        step("rollback flush")
        upto = flushed_positions(client, self.old, deadline)
        step("rollback delta")
        carried = self._carry(at, upto, in_time)
        self._same_totals()
        if self._has_final_pipeline:
            fence = self.names.fence
            target_index.set_final_pipeline(client, fence, self._final_pipeline)
        in_time()
        step("rollback last call")
        alias_actions.put_backup_in_service(client, self.names)
        step("rollback after last call")
        return carried

    def _in_time(self, deadline: float, seconds: float) -> None:
        """Stop early enough to abort the rollback within the time limit.

        Raises:
            StatsDashboardError: the rollback took too long.
        """
        self.run.copier.check()
        if deadline - time.monotonic() < seconds * (1 - MARGIN):
            raise StatsDashboardError(
                f"The rollback took more than {seconds * MARGIN:.0f} seconds. The "
                "month is unchanged. Run the same command again."
            )

    def _upto(self) -> dict[int, int]:
        found = settled_positions(self.run.client, self.old)
        return {shard: p.checkpoint for shard, p in found.items()}

    def _carry_all(self) -> tuple[int, dict[int, int]]:
        """Copy back the events written since the cut-over, until few remain.

        Returns:
            The number of copied events, and shard -> position they were copied up to.
        """
        serving = (self.bookmark.data.get("switch") or {}).get("serving") or {}
        at = by_shard(serving)
        carried = 0
        for _ in range(_ROUNDS):
            upto = self._upto()
            left = sum(n - at.get(shard, NOTHING) for shard, n in upto.items())
            carried += self._carry(at, upto)
            at = upto
            if left <= _SMALL:
                break
        return carried, at

    def _carry(
        self,
        at: Mapping[int, int],
        upto: Mapping[int, int],
        check: Callable[[], None] | None = None,
    ) -> int:
        """Copy back the events between two positions; return their number."""
        copier, count = self.run.copier, 0
        for shard, last in upto.items():
            position = at.get(shard, NOTHING)
            while position < last:
                (check or copier.check)()
                hits = page(copier.text_client, self.old, shard, position, last, _PAGE)
                self._write(hits)
                count += len(hits)
                position = hits[-1].seq_no if len(hits) == _PAGE else last
        return count

    def _write(self, hits: Sequence[StoredDocument]) -> None:
        copier = self.run.copier
        actions = [
            b'{"index":{"_id":%b}}\n%b\n'
            % (msgspec.json.encode(hit.id), native_bytes(hit.source))
            for hit in hits
        ]
        refusals = bulk.write(
            copier.text_client,
            self.names.fence,
            actions,
            copier.write_limit,
            params={"require_alias": "true", **bulk.PAST_PIPELINES},
            waiting=copier.waiting,
            sleep=copier.sleep,
        )
        if any(r.misses_index for r in refusals):
            raise LockLostError(f"Another run has taken over {self.new}.")
        if refusals:
            raise StatsDashboardError(
                f"{self.new} refuses {len(refusals)} events; the first is "
                f"{refusals[0]}. The month still uses {self.old}."
            )

    def _compare(self, at: Mapping[int, int]) -> None:
        """Check that the backup holds all events up to a position, unchanged.

        Events that only the backup holds were deleted since the cut-over; they are
        removed from it.

        Raises:
            StatsDashboardError: an event is missing or differs.
        """
        run = self.run
        run.client.indices.refresh(index=self.new)
        left, right = self._side(self.old, at), self._side(self.new)
        text = run.copier.text_client
        mine, theirs = fingerprints_of_both(text, left, right)
        for day in mine.differing(theirs):
            count = max(mine.counts().get(day, 0), theirs.counts().get(day, 0))
            difference = compare_day(text, left, right, day, count, run.copier.check)
            if difference.missing or difference.changed:
                raise StatsDashboardError(
                    f"{self.new} differs from {self.old} on {day}: {difference}. The "
                    "month is unchanged."
                )
            if difference.extra:
                run.copier.delete(self.names.fence, sorted(difference.extra))

    def _same_totals(self) -> None:
        """Check that both indices hold equally many events while writes are blocked.

        Raises:
            StatsDashboardError: the totals differ.
        """
        client = self.run.client
        client.indices.refresh(index=self.new)
        client.indices.refresh(index=self.old)
        new = client.count(index=self.new)["count"]
        old = client.count(index=self.old)["count"]
        if old != new:
            raise StatsDashboardError(
                f"{self.old} holds {old} events and {self.new} {new}: events were "
                f"deleted during the rollback. The month still uses {self.old}. Run the "
                "same command again."
            )

    def _side(
        self, index: str, settled: Mapping[int, int] | None = None
    ) -> ComparedIndex:
        found = positions(self.run.client, index)
        upto = {shard: p.last for shard, p in found.items()}
        return ComparedIndex(index, upto, settled or upto)


def undo(
    client: OpenSearch,
    names: CutoverNames,
    bookmark: Bookmark,
    step: Callable[[str], None],
) -> bool:
    """Abort a rollback before its last call; this run must have claimed the month.

    Args:
        client: decodes responses.
        names: the names of the rollback; fence and mark must exist.
        bookmark: the month's bookmark.
        step: called with the name of each step before it starts.

    Returns:
        False if the last call had already been applied, so that the backup serves.

    Raises:
        LockLostError: another run has claimed the month.
    """
    back = replace(names, run=f"{names.run}-back")
    try:
        # a last call that arrives late then finds no fence
        alias_actions.hand_on(client, names, back)
    except LockLostError:
        if alias_actions.serves(client, names):
            return False
        raise
    step("rollback keep backup")
    alias_actions.block_writes(client, back.fence)
    step("rollback lift block")
    alias_actions.lift_block(client, back.mark)
    bookmark.write(state=SWITCHED)
    alias_actions.release(client, back.run, names.old, names.new)
    return True


def undo_anothers(
    client: OpenSearch,
    names: CutoverNames,
    bookmark: Bookmark,
    step: Callable[[str], None],
) -> None:
    """Abort a rollback that another run began and did not finish.

    Args:
        client: decodes responses.
        names: the names of the rollback, with the caller's run id.
        bookmark: the month's bookmark.
        step: called with the name of each step before it starts.

    Raises:
        LockLostError: another caller aborts it.
    """
    bookmark.write(run=names.run)
    step("claim")
    if alias_actions.serves(client, names):
        bookmark.write(state=ROLLED_BACK)
        alias_actions.remove_marks(client, names.new)
        return
    alias_actions.claim(client, names.run, names.old, names.new)
    if not undo(client, names, bookmark, step):
        bookmark.write(state=ROLLED_BACK)
