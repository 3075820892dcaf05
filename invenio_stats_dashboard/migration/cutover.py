# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Cut over a month from its old index to the new one.

Writes are refused for a moment; writers wait and retry. Readers always see every event
exactly once. Before the last call the cut-over can be aborted, by this run or by any
process that finds its deadline passed. After the last call the old data remains as a
backup.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ..errors import (
    ClusterNotHealthyError,
    LockLostError,
    NotPermittedError,
    StatsDashboardError,
)
from ..search.compare_and_set import Bookmark
from ..search.failures import explain, is_refused
from ..search.names import META_KEY
from ..search.seqno import positions
from . import alias_actions
from .alias_actions import CutoverNames, Guard
from .catch_up import bring_delta
from .copier import Copier
from .running_searches import RunningSearches
from .target_index import set_final_pipeline

_SETTLE = 5.0
"""Seconds to wait until all copies of a shard have confirmed all writes."""
MARGIN = 0.7
"""Share of the time limit after which a cut-over is aborted."""


class CutoverAbortedError(StatsDashboardError):
    """A cut-over failed or took too long, and was aborted; it can be tried again."""


@dataclass(frozen=True)
class CutoverResult:
    """Result of a cut-over.

    Attributes:
        block_seconds: time for which writes were refused.
        delta: events that were copied within that time.
    """

    block_seconds: float
    delta: int


@dataclass(frozen=True)
class Cutover:
    """One attempt to cut over one month.

    Attributes:
        client: decodes responses.
        copier: the run's copier.
        names: the names that the cut-over moves.
        backup: name of the backup index.
        bookmark: the month's bookmark; stores intent and outcome.
        seconds: longest time for which writes may be refused.
        step: called with the name of each step before it starts.
        check: raises when the run must end.
        final_pipeline: of the old index, or None; the new one gets it when it has all
            events.
    """

    client: OpenSearch
    copier: Copier
    names: CutoverNames
    backup: str
    bookmark: Bookmark
    seconds: float
    step: Callable[[str], None]
    check: Callable[[], None]
    final_pipeline: str | None = None

    def make(self, copied: Mapping[int, int], only_written: bool) -> CutoverResult:
        """Cut over the month.

        Args:
            copied: shard -> position up to which the source was copied and
                verified.
            only_written: whether nothing was deleted or written twice since the
                verification.

        Raises:
            CutoverAbortedError: the cut-over was aborted; readers and writers use the
                old index as before.
            LockLostError: another run has the month.
        """
        deadline = time.monotonic() + self.seconds
        until = datetime.now(UTC) + timedelta(seconds=self.seconds)
        self.step("intent")
        self.bookmark.write(
            state="switching",
            switch={
                "until": until.isoformat(),
                "old": self.names.old,
                "new": self.names.new,
                "backup": self.backup,
                "was_blocked": alias_actions.is_blocked(self.client, self.names.old),
            },
        )
        start = time.monotonic()
        try:
            delta = self._steps(copied, only_written, deadline)
        except BaseException as error:  # noqa: BLE001 - raised again
            # after any error, writes must be possible again
            self._abort(error)
            delta = 0
        return CutoverResult(time.monotonic() - start, delta)

    def _steps(
        self, copied: Mapping[int, int], only_written: bool, deadline: float
    ) -> int:
        """Perform the steps, and return the number of events copied."""
        client, names = self.client, self.names
        self._in_time(deadline)
        self.step("block")
        alias_actions.block_writes(
            client, names.mark, max(deadline - time.monotonic(), 1)
        )
        self.step("flush")
        upto = flushed_positions(client, names.old, deadline)
        self.step("delta")
        delta = bring_delta(
            # no request and no retry may outlast the block
            replace(
                self.copier,
                write_limit=self.seconds / 2,
                timeout=min(self.copier.timeout, self.seconds),
            ),
            names.old,
            names.new,
            names.fence,
            copied,
            upto,
            lambda: self._in_time(deadline),
        )
        self.step("delta written")
        self._note_proof(upto, only_written and delta.only_written)
        if self.final_pipeline:
            set_final_pipeline(client, names.fence, self.final_pipeline)
        self._in_time(deadline)
        self.step("read alias")
        alias_actions.move_read_alias(client, names)
        readers = RunningSearches(client, names.read, names.old, names.month)
        if self.backup != names.old:
            self._in_time(deadline)
            self.step("clone")
            self._clone(deadline)
            self.step("cloned")
            readers.wait(lambda: self._in_time(deadline))
        self._in_time(deadline)
        self.step("last call")
        alias_actions.put_in_service(client, names, remove_old=self.backup != names.old)
        self.step("after last call")
        return delta.events

    def _note_proof(self, upto: Mapping[int, int], only_written: bool) -> None:
        """Store totals and positions of both indices while writes are blocked.

        :mod:`.backup_completeness` needs them later.

        Raises:
            CutoverAbortedError: the totals differ, or a shard is unavailable.
        """
        total = self._same_totals()
        serving = {n: p.last for n, p in positions(self.client, self.names.new).items()}
        if set(serving) != set(upto):
            raise CutoverAbortedError(
                f"A shard of {self.names.new} has no started primary"
            )
        self.bookmark.write(
            switch={
                **self.bookmark.data["switch"],
                "events": total,
                "read": upto,
                "serving": serving,
                "only_written": only_written,
            }
        )

    def _in_time(self, deadline: float) -> None:
        """Stop early enough to abort the cut-over within the time limit.

        Raises:
            CutoverAbortedError: the cut-over took too long.
        """
        self.check()
        left = deadline - time.monotonic()
        if left < self.seconds * (1 - MARGIN):
            raise CutoverAbortedError(
                f"The cut-over took more than {self.seconds * MARGIN:.0f} seconds"
            )

    def _same_totals(self) -> int:
        """Return the number of events, which must be the same in both indices."""
        old = self.client.count(index=self.names.old)["count"]
        new = self.client.count(index=self.names.new)["count"]
        if old != new:
            raise CutoverAbortedError(
                f"{self.names.old} holds {old} events and its copy {new}: events were "
                "deleted during the cut-over"
            )
        return new

    def _clone(self, deadline: float) -> None:
        """Clone the old index to the backup, without copying data."""
        fence = (self.names.new, self.names.fence)
        remove_leftover(self.client, self.names.old, self.backup, fence)
        self.client.indices.clone(
            index=self.names.old,
            target=self.backup,
            body={"settings": {"index.blocks.write": True}},
            params={
                "wait_for_active_shards": "1",
                "request_timeout": max(deadline - time.monotonic(), 1),
            },
        )
        health = self.client.cluster.health(index=self.backup)
        if health["status"] == "red":
            raise ClusterNotHealthyError(f"The backup {self.backup} did not start")
        mapping = self.client.indices.get_mapping(index=self.backup)[self.backup]
        meta = mapping["mappings"].get("_meta", {})
        self.client.indices.put_mapping(
            index=self.backup,
            body={"_meta": {**meta, META_KEY: {"backup_of": self.names.month}}},
        )

    def _abort(self, error: BaseException) -> None:
        """Abort the cut-over and raise the reason; return if the last call succeeded.

        Raises:
            CutoverAbortedError: after an error that a new attempt may avoid.
            NotPermittedError: OpenSearch refuses a request to this user.
            BaseException: ``error`` itself otherwise.
        """
        self.step("abort")
        if not abort_cutover(
            self.client, self.names, self.backup, self.bookmark, self.step
        ):
            return
        if not isinstance(error, (OpenSearchException, StatsDashboardError)):
            raise error
        if getattr(error, "exit_code", None) == LockLostError.exit_code:
            raise error
        if is_refused(error):
            raise NotPermittedError(
                f"{explain(error)} The cut-over was aborted, and nothing has changed "
                "for readers and writers."
            ) from error
        reason = explain(error) if isinstance(error, OpenSearchException) else error
        raise CutoverAbortedError(
            f"{str(reason).rstrip('.')}. The cut-over was aborted, and nothing has "
            "changed for readers and writers."
        ) from error


def flushed_positions(
    client: OpenSearch, index: str, deadline: float
) -> dict[int, int]:
    """Flush a write-blocked index, and wait until all its operations are stored.

    Args:
        client: decodes responses.
        index: name of the index.
        deadline: the deadline in seconds of :func:`time.monotonic`.

    Returns:
        shard -> last sequence number.

    Raises:
        CutoverAbortedError: the copies of a shard did not confirm all writes in time.
    """
    # with an asynchronous translog only a flush advances the checkpoint
    left = max(deadline - time.monotonic(), 1)
    client.indices.flush(
        index=index, params={"wait_if_ongoing": "true", "request_timeout": left}
    )
    left = max(deadline - time.monotonic(), 1)
    client.indices.refresh(index=index, params={"request_timeout": left})
    end = min(time.monotonic() + _SETTLE, deadline)
    while True:
        found = positions(client, index)
        if found and all(p.checkpoint == p.last for p in found.values()):
            return {shard: p.last for shard, p in found.items()}
        if time.monotonic() > end:
            raise CutoverAbortedError(
                f"A shard copy of {index} did not confirm all writes in time"
            )
        time.sleep(0.05)


def abort_cutover(
    client: OpenSearch,
    names: CutoverNames,
    backup: str,
    bookmark: Bookmark,
    step: Callable[[str], None],
) -> bool:
    """Abort a cut-over before its last call; this run must have claimed the month.

    Args:
        client: decodes responses.
        names: the names of the cut-over; fence and mark must exist.
        backup: name of the clone, which need not exist.
        bookmark: the month's bookmark.
        step: called with the name of each step before it starts.

    Returns:
        False if the last call had already been applied, so that the cut-over stands.

    Raises:
        LockLostError: another run has claimed the month.
    """
    switch = bookmark.data.get("switch") or {}
    if not alias_actions.return_month(client, names):
        bookmark.write(state="switched")
        return False
    if not switch.get("was_blocked"):
        step("lift block")
        alias_actions.lift_block(client, names.mark)
    if backup != names.old:
        step("remove clone")
        try:
            remove_leftover(client, names.old, backup, (names.old, names.mark))
        except LockLostError:
            raise
        except StatsDashboardError:
            pass  # not our clone; the next attempt reports it before any change
    bookmark.write(state="copying", switch=None)
    alias_actions.release(client, names.run, names.old)
    return True


def abort_cutover_of_another_run(
    client: OpenSearch,
    names: CutoverNames,
    backup: str,
    bookmark: Bookmark,
    step: Callable[[str], None],
) -> bool:
    """Abort a cut-over that another run began and did not finish.

    The caller writes its id to the bookmark first. Of two callers only one succeeds.

    Args:
        client: decodes responses.
        names: the names of the cut-over, with the caller's run id.
        backup: name of the clone, which need not exist.
        bookmark: the month's bookmark.
        step: called with the name of each step before it starts.

    Returns:
        False if the last call had already been applied, so that the cut-over stands.

    Raises:
        LockLostError: another caller aborts it.
    """
    bookmark.write(run=names.run)
    step("claim")
    if not alias_actions.serves(client, names):
        alias_actions.claim(client, names.run, names.old, names.new)
    return abort_cutover(client, names, backup, bookmark, step)


def remove_leftover(client: OpenSearch, old: str, backup: str, guard: Guard) -> None:
    """Delete the clone that an unfinished cut-over has left.

    Args:
        client: decodes responses.
        old: name of the index that it must be a clone of.
        backup: name of the clone, which need not exist.
        guard: this run's claim alias on another index of the month.

    Raises:
        StatsDashboardError: an index of that name is no clone of ``old``.
        LockLostError: another run has the month.
    """
    try:
        found = client.indices.get(index=backup)
    except NotFoundError:
        return
    name, details = next(iter(found.items()))
    source = client.indices.get(index=old).get(old)
    if source is None:
        raise LockLostError(f"Another run has cut over {old}. This run has stopped.")
    uuid = source["settings"]["index"]["uuid"]
    made_of = details["settings"]["index"].get("resize", {}).get("source", {})
    used = [a for a in details.get("aliases", ()) if not alias_actions.is_mark(name, a)]
    if name != backup or used or made_of.get("uuid") != uuid:
        raise StatsDashboardError(
            f"The index {backup} exists already and is not a copy of {old}. If it is "
            "the backup of an earlier migration, delete it with 'invenio "
            "community-stats usage-events cleanup'. Otherwise rename it."
        )
    alias_actions.remove_index(client, guard, backup)
