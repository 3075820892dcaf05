# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Back: a month's names to its legacy index, with what was written since."""

from dataclasses import dataclass
from datetime import timedelta

import msgspec
from opensearchpy.exceptions import OpenSearchException

from ...errors import StatsDashboardError
from ...search import bulk
from ...search.bookmarks import Bookmark
from ...search.seqno import NOTHING, page, positions
from ..enrichment import native_bytes
from . import aliases, target
from .comparison import Side, compare_day, fingerprints_of_both
from .copying import settled_positions
from .report import ROLLED_BACK, ROLLING_BACK

_SMALL = 500
_ROUNDS = 20
_PAGE = 5000


@dataclass(frozen=True)
class RolledBack:
    """The outcome for one month.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        index: the legacy index that serves again, or None.
        carried: events that were written since the switch and carried over.
        error: why the month is as it was, or None.
    """

    event_type: str
    month: str
    index: str | None = None
    carried: int = 0
    error: str | None = None


def roll_back(run, month):
    """Let a month's legacy index serve again.

    Args:
        run: the :class:`~.runner.Run`.
        month: the :class:`~.months.Month`.

    Returns:
        RolledBack: the outcome; a failed one is reported, not raised.
    """
    outcome = RolledBack(month.event_type, month.month)
    stock = run.names.events_month(month.event_type, month.month)
    if month.target is None or stock not in month.target.aliases:
        return _failed(outcome, "it is not migrated")
    if month.backup is None:
        return _failed(outcome, "its backup was deleted")
    bookmark = Bookmark(run.client, run.names.reindexing, month.id)
    if bookmark.data.get("state") not in ("done", "switched"):
        return _failed(outcome, "its migration is not finished; run it again first")
    try:
        carried = _Back(run, month, bookmark).make()
    except StatsDashboardError as error:
        return _failed(outcome, str(error))
    return RolledBack(month.event_type, month.month, month.backup.name, carried)


def _failed(outcome, reason):
    return RolledBack(outcome.event_type, outcome.month, error=reason)


class _Back:
    """The switch in the other direction."""

    def __init__(self, run, month, bookmark):
        self.run, self.month, self.bookmark = run, month, bookmark
        self.new, self.old = month.backup.name, month.target.name
        names = run.names
        self.names = aliases.Names(
            read=names.events_alias(month.event_type),
            month=names.events_month(month.event_type, month.month),
            old=self.old,
            new=self.new,
            fence=f"{self.new}-switch-{run.id}",
        )

    def make(self):
        """Carry over, compare, switch, and only then drop the enriched index."""
        client, seconds = self.run.client, self.run.options.switch_seconds
        aliases.lift_block(client, self.new)
        target.set_fence(client, self.new, self.names.fence)
        carried, at = self._carry_all()
        self._compare(at)
        until = self.run.now() + timedelta(seconds=seconds)
        switch = {
            **(self.bookmark.data.get("switch") or {}),
            "until": until.isoformat(),
        }
        before = self.bookmark.data["state"]
        self.bookmark.write(state=ROLLING_BACK, switch=switch)
        self.run.step("rollback block")
        try:
            aliases.block_writes(client, self.old)
            client.indices.flush(index=self.old, params={"wait_if_ongoing": "true"})
            carried += self._carry(at, self._upto())
            self._same_totals()
            self.run.step("rollback last call")
            aliases.give_back(client, self.names)
        except (OpenSearchException, StatsDashboardError):
            stay(client, self.names)
            self.bookmark.write(state=before)
            raise
        self._close()
        return carried

    def _close(self):
        """Forget the migration; everything of the enriched index was compared."""
        self.bookmark.replace(
            {
                "kind": "month",
                "event_type": self.month.event_type,
                "month": self.month.month,
                "state": ROLLED_BACK,
                "error": None,
            }
        )
        self.run.step("rolled back")
        target.drop(self.run.client, self.old)

    def _upto(self):
        found = settled_positions(self.run.client, self.old)
        return {shard: p.checkpoint for shard, p in found.items()}

    def _carry_all(self):
        """Carry over what was written since the switch, until little is left."""
        serving = (self.bookmark.data.get("switch") or {}).get("serving") or {}
        at = {int(shard): position for shard, position in serving.items()}
        carried = 0
        for _ in range(_ROUNDS):
            upto = self._upto()
            left = sum(n - at.get(shard, NOTHING) for shard, n in upto.items())
            carried += self._carry(at, upto)
            at = upto
            if left <= _SMALL:
                break
        return carried, at

    def _carry(self, at, upto):
        copier, count = self.run.copier, 0
        for shard, last in upto.items():
            position = at.get(shard, NOTHING)
            while position < last:
                copier.check()
                hits = page(copier.text_client, self.old, shard, position, last, _PAGE)
                self._write(hits)
                count += len(hits)
                position = hits[-1].seq_no if len(hits) == _PAGE else last
        return count

    def _write(self, hits):
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
            params={"require_alias": "true"},
            waiting=copier.waiting,
            sleep=copier.sleep,
        )
        if refusals:
            raise StatsDashboardError(
                f"{len(refusals)} events are refused by {self.new}; the first is "
                f"{refusals[0]}. The month is as it was."
            )

    def _compare(self, at):
        """Compare both up to a position: same events, same native fields."""
        run = self.run
        run.client.indices.refresh(index=self.new)
        left, right = self._side(self.old, at), self._side(self.new)
        text = run.copier.text_client
        mine, theirs = fingerprints_of_both(text, left, right)
        for day in mine.differing(theirs):
            count = max(mine.counts().get(day, 0), theirs.counts().get(day, 0))
            difference = compare_day(text, left, right, day, count)
            if difference.missing or difference.changed:
                raise StatsDashboardError(
                    f"{self.new} does not hold what {self.old} holds on {day}: "
                    f"{difference}. The month is as it was."
                )
            self._remove(difference.extra)

    def _same_totals(self):
        client = self.run.client
        client.indices.refresh(index=self.new)
        client.indices.refresh(index=self.old)
        new = client.count(index=self.new)["count"]
        old = client.count(index=self.old)["count"]
        if old != new:
            raise StatsDashboardError(
                f"{self.old} holds {old} events and {self.new} {new}: something was "
                "deleted meanwhile. The month is as it was; try again."
            )

    def _remove(self, ids):
        """Remove what was deleted since the switch."""
        copier = self.run.copier
        bulk.write(
            copier.text_client,
            self.names.fence,
            [b'{"delete":{"_id":%b}}\n' % msgspec.json.encode(id) for id in ids],
            copier.write_limit,
            params={"require_alias": "true"},
        )

    def _side(self, index, settled=None):
        found = positions(self.run.client, index)
        upto = {shard: p.last for shard, p in found.items()}
        return Side(index, upto, settled or upto)


def stay(client, names):
    """Undo a rollback before its last call; safe to repeat.

    Args:
        client: an ordinary client.
        names: the :class:`~.aliases.Names` of the rollback.
    """
    aliases.remove_fences(client, names.new)
    if aliases.serves(client, names):
        return
    aliases.lift_block(client, names.old)
    aliases.block_writes(client, names.new)
