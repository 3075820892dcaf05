# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The switch of a month from its old index to the new one.

Writers are refused for a moment and come back; readers see every event once all
the time. Until the last call everything can be taken back, by this run or by
anyone else who notices that its deadline has passed; after it the old data lives
on as a backup.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ...errors import ClusterNotHealthyError, LockLostError, StatsDashboardError
from ...search.client import describe
from ...search.names import META_KEY
from ...search.seqno import positions
from . import aliases
from .delta import bring_delta

_SETTLE = 5.0
_MARGIN = 0.7


class SwitchTakenBackError(StatsDashboardError):
    """A switch could not be finished in time and was taken back; try again."""


@dataclass(frozen=True)
class Switched:
    """What a switch leaves.

    Attributes:
        block_seconds: how long writers were refused.
        delta: events that were brought within that time.
    """

    block_seconds: float
    delta: int


@dataclass(frozen=True)
class Switch:
    """One attempt to switch one month.

    Attributes:
        client: an ordinary client.
        text_client: a client that does not decode.
        copier: the :class:`~.copying.Copier` of the run.
        names: the :class:`~.aliases.Names`.
        backup: name for the old data.
        bookmark: the month's bookmark, to store intent and outcome.
        seconds: how long writers may be refused.
        step: called with the name of each step before it is made.
        check: raises when the run must end.
    """

    client: object
    text_client: object
    copier: object
    names: aliases.Names
    backup: str
    bookmark: object
    seconds: float
    step: object
    check: object

    def make(self, copied):
        """Switch the month.

        Args:
            copied: shard -> position up to which the source was copied and
                verified.

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
                "was_blocked": aliases.is_blocked(self.client, self.names.old),
            },
        )
        start = time.monotonic()
        try:
            delta = self._steps(copied, deadline)
        except LockLostError:
            raise
        except (OpenSearchException, StatsDashboardError) as error:
            self._take_back(error)
            delta = 0
        return Switched(time.monotonic() - start, delta)

    def _steps(self, copied, deadline):
        client, names = self.client, self.names
        self._in_time(deadline)
        self.step("block")
        aliases.block_writes(client, names.old)
        self._still_mine()
        self.step("flush")
        upto = self._flushed_positions(deadline)
        self.step("delta")
        delta = bring_delta(
            self.copier,
            names.old,
            names.new,
            names.fence,
            copied,
            upto,
            lambda: self._in_time(deadline),
        )
        self._same_totals()
        serving = {n: p.last for n, p in positions(client, names.new).items()}
        self.bookmark.write(switch={**self.bookmark.data["switch"], "serving": serving})
        self._in_time(deadline)
        self.step("read alias")
        aliases.move_read_alias(client, names)
        if self.backup != names.old:
            self._in_time(deadline)
            self.step("clone")
            self._clone(deadline)
        self._in_time(deadline)
        self.step("last call")
        aliases.take_over_month(client, names, remove_old=self.backup != names.old)
        self.step("after last call")
        return delta

    def _in_time(self, deadline):
        """Leave off while there is time to take everything back."""
        self.check()
        left = deadline - time.monotonic()
        if left < self.seconds * (1 - _MARGIN):
            raise SwitchTakenBackError(
                f"The switch took more than {self.seconds * _MARGIN:.0f} seconds"
            )

    def _still_mine(self):
        """Make sure that the block was not set on an index that now serves.

        A name can have become an alias of the new index while this process was
        frozen, and a block goes through an alias.
        """
        try:
            found = self.client.indices.get_alias(index=self.names.new)
            mine = self.names.fence in found[self.names.new]["aliases"]
        except NotFoundError:
            mine = False
        if not mine:
            if self.client.indices.exists(index=self.names.old):
                aliases.lift_block(self.client, self.names.old)
            raise LockLostError(
                f"The switch of {self.names.month} was taken back by another run; "
                "this one has stopped."
            )

    def _flushed_positions(self, deadline):
        """Return the old index's last numbers, when all up to them are stored."""
        client, old = self.client, self.names.old
        # with an async translog the checkpoint moves at a flush only
        client.indices.flush(index=old, params={"wait_if_ongoing": "true"})
        client.indices.refresh(index=old)
        end = min(time.monotonic() + _SETTLE, deadline)
        while True:
            found = positions(client, old)
            if all(p.checkpoint == p.last for p in found.values()):
                return {shard: p.last for shard, p in found.items()}
            if time.monotonic() > end:
                raise SwitchTakenBackError(
                    f"Not every write to {old} was confirmed by all its copies"
                )
            time.sleep(0.05)

    def _same_totals(self):
        old = self.client.count(index=self.names.old)["count"]
        new = self.client.count(index=self.names.new)["count"]
        if old != new:
            raise SwitchTakenBackError(
                f"{self.names.old} holds {old} events and its copy {new}: something "
                "was deleted meanwhile"
            )

    def _clone(self, deadline):
        remove_leftover(self.client, self.names.old, self.backup)
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
        reason = describe(error) if isinstance(error, OpenSearchException) else error
        self.step("take back")
        if take_back(self.client, self.names, self.backup, self.bookmark):
            raise SwitchTakenBackError(
                f"{str(reason).rstrip('.')}; the switch was taken back, and nothing "
                "has changed for readers and writers."
            ) from error


def take_back(client, names, backup, bookmark):
    """Undo a switch before its last call, whoever began it; safe to repeat.

    Args:
        client: an ordinary client.
        names: the :class:`~.aliases.Names` of the switch.
        backup: the name that its clone has, if there is one already.
        bookmark: the month's bookmark.

    Returns:
        bool: False if the last call had been made, and the month is switched.
    """
    switch = bookmark.data.get("switch") or {}
    if not aliases.take_back(client, names):
        bookmark.write(state="switched")
        return False
    if switch.get("was_blocked"):
        aliases.block_writes(client, names.old)
    if backup != names.old:
        remove_leftover(client, names.old, backup)
    bookmark.write(state="copying", switch=None)
    return True


def remove_leftover(client, old, backup):
    """Delete the clone that an unfinished switch has left.

    Raises:
        StatsDashboardError: an index of that name holds something else.
    """
    try:
        found = client.indices.get(index=backup)
    except NotFoundError:
        return
    name, details = next(iter(found.items()))
    uuid = client.indices.get(index=old)[old]["settings"]["index"]["uuid"]
    made_of = details["settings"]["index"].get("resize", {}).get("source", {})
    if name != backup or details.get("aliases") or made_of.get("uuid") != uuid:
        raise StatsDashboardError(
            f"There is an index {backup} already, which is not a copy of {old}. "
            "If it is the backup of an earlier migration, delete it with "
            "'invenio community-stats usage-events cleanup'; otherwise rename it."
        )
    client.indices.delete(index=backup)
