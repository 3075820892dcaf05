# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The switch of a month from its old index to the new one.

Writers are refused for a moment and come back; readers see every event once all
the time. Until the last call everything can be taken back, by this run or by
anyone else who notices that its deadline has passed; after it the old data lives
on as a backup.
"""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ..errors import ClusterNotHealthyError, LockLostError, StatsDashboardError
from ..search.client import describe
from ..search.names import META_KEY
from ..search.seqno import positions
from . import alias_actions
from .catch_up import bring_delta
from .search_drain import SearchDrain

_SETTLE = 5.0
MARGIN = 0.7


class CutoverTakenBackError(StatsDashboardError):
    """A switch could not be finished in time and was taken back; try again."""


@dataclass(frozen=True)
class CutoverResult:
    """What a switch leaves.

    Attributes:
        block_seconds: how long writers were refused.
        delta: events that were brought within that time.
    """

    block_seconds: float
    delta: int


@dataclass(frozen=True)
class Cutover:
    """One attempt to switch one month.

    Attributes:
        client: an ordinary client.
        text_client: a client that does not decode.
        copier: the :class:`~.copier.Copier` of the run.
        names: the :class:`~.alias_actions.CutoverNames`.
        backup: name for the old data.
        bookmark: the month's bookmark, to store intent and outcome.
        seconds: how long writers may be refused.
        step: called with the name of each step before it is made.
        check: raises when the run must end.
    """

    client: object
    text_client: object
    copier: object
    names: alias_actions.CutoverNames
    backup: str
    bookmark: object
    seconds: float
    step: object
    check: object

    def make(self, copied, only_written):
        """Switch the month.

        Args:
            copied: shard -> position up to which the source was copied and
                verified.
            only_written: see :class:`~.catch_up.CatchUp`, of what was brought since the
                verification.

        Returns:
            Switched: what it leaves.

        Raises:
            SwitchTakenBackError: it was taken back; the month is as before.
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
            # whatever it is, writers must not stay locked out
            self._take_back(error)
            delta = 0
        return CutoverResult(time.monotonic() - start, delta)

    def _steps(self, copied, only_written, deadline):
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
        self._in_time(deadline)
        self.step("read alias")
        alias_actions.move_read_alias(client, names)
        readers = SearchDrain(client, names.read, names.old, names.month)
        if self.backup != names.old:
            self._in_time(deadline)
            self.step("clone")
            self._clone(deadline)
            self.step("cloned")
            readers.wait(lambda: self._in_time(deadline))
        self._in_time(deadline)
        self.step("last call")
        alias_actions.take_over_month(
            client, names, remove_old=self.backup != names.old
        )
        self.step("after last call")
        return delta.events

    def _note_proof(self, upto, only_written):
        """Store what is known of both indices while nobody can write.

        Raises:
            SwitchTakenBackError: they do not hold the same, or a shard is away.
        """
        total = self._same_totals()
        serving = {n: p.last for n, p in positions(self.client, self.names.new).items()}
        if set(serving) != set(upto):
            raise CutoverTakenBackError(
                f"Not every shard of {self.names.new} has a started primary"
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

    def _in_time(self, deadline):
        """Leave off while there is time to take everything back."""
        self.check()
        left = deadline - time.monotonic()
        if left < self.seconds * (1 - MARGIN):
            raise CutoverTakenBackError(
                f"The switch took more than {self.seconds * MARGIN:.0f} seconds"
            )

    def _same_totals(self):
        old = self._count(self.names.old)
        new = self._count(self.names.new)
        if old != new:
            raise CutoverTakenBackError(
                f"{self.names.old} holds {old} events and its copy {new}: something "
                "was deleted meanwhile"
            )
        return new

    def _count(self, index):
        answer = self.client.count(index=index)
        if answer["_shards"]["failed"]:
            raise CutoverTakenBackError(f"Not every shard of {index} could be counted")
        return answer["count"]

    def _clone(self, deadline):
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

    def _take_back(self, error):
        """Undo the switch and say why; returns if it had been made after all."""
        self.step("take back")
        if not take_back(
            self.client, self.names, self.backup, self.bookmark, self.step
        ):
            return
        if not isinstance(error, (OpenSearchException, StatsDashboardError)):
            raise error
        if getattr(error, "exit_code", None) == LockLostError.exit_code:
            raise error
        reason = describe(error) if isinstance(error, OpenSearchException) else error
        raise CutoverTakenBackError(
            f"{str(reason).rstrip('.')}; the switch was taken back, and nothing "
            "has changed for readers and writers."
        ) from error


def flushed_positions(client, index, deadline):
    """Return the last numbers of a blocked index, when all up to them are stored.

    Args:
        client: an ordinary client.
        index: name of the index.
        deadline: of ``time.monotonic()``.

    Returns:
        dict: shard -> last number.

    Raises:
        SwitchTakenBackError: its copies did not confirm all writes in time.
    """
    # with an async translog the checkpoint moves at a flush only
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
            raise CutoverTakenBackError(
                f"Not every write to {index} was confirmed by all its copies"
            )
        time.sleep(0.05)


def take_back(client, names, backup, bookmark, step):
    """Undo a switch before its last call; the month must be this run's own.

    Args:
        client: an ordinary client.
        names: the :class:`~.alias_actions.CutoverNames`, with fence and mark in place.
        backup: the name that its clone has, if there is one already.
        bookmark: the month's bookmark.
        step: called with the name of each step before it is made.

    Returns:
        bool: False if the last call had been made, and the month is switched.

    Raises:
        LockLostError: somebody else has claimed the month.
    """
    switch = bookmark.data.get("switch") or {}
    if not alias_actions.bring_back(client, names):
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
            pass  # it is not ours; the next attempt says so before anything changes
    bookmark.write(state="copying", switch=None)
    alias_actions.release(client, names.run, names.old)
    return True


def take_back_anothers(client, names, backup, bookmark, step):
    """Undo a switch that somebody else began and did not finish.

    Whoever does it says so in the bookmark first, so that of two only one does.

    Args:
        client: an ordinary client.
        names: the :class:`~.alias_actions.CutoverNames`, with the caller's id.
        backup: the name that its clone has, if there is one already.
        bookmark: the month's bookmark.
        step: called with the name of each step before it is made.

    Returns:
        bool: False if the last call had been made, and the month is switched.

    Raises:
        LockLostError: somebody else does it.
    """
    bookmark.write(run=names.run)
    step("claim")
    if not alias_actions.serves(client, names):
        alias_actions.claim(client, names.run, names.old, names.new)
    return take_back(client, names, backup, bookmark, step)


def remove_leftover(client, old, backup, guard):
    """Delete the clone that an unfinished switch has left.

    Args:
        client: an ordinary client.
        old: name of the index that it must be a clone of.
        backup: name of the clone.
        guard: ``(index, alias)`` of this run on another index of the month.

    Raises:
        StatsDashboardError: an index of that name holds something else.
        LockLostError: another run has the month.
    """
    try:
        found = client.indices.get(index=backup)
    except NotFoundError:
        return
    name, details = next(iter(found.items()))
    source = client.indices.get(index=old).get(old)
    if source is None:
        raise LockLostError(f"{old} was switched by another run; this one has stopped.")
    uuid = source["settings"]["index"]["uuid"]
    made_of = details["settings"]["index"].get("resize", {}).get("source", {})
    used = [a for a in details.get("aliases", ()) if not alias_actions.is_mark(name, a)]
    if name != backup or used or made_of.get("uuid") != uuid:
        raise StatsDashboardError(
            f"There is an index {backup} already, which is not a copy of {old}. "
            "If it is the backup of an earlier migration, delete it with "
            "'invenio community-stats usage-events cleanup'; otherwise rename it."
        )
    alias_actions.remove_index(client, guard, backup)
