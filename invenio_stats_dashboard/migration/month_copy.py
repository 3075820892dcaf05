# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The copy of one month: in rounds, until little is left, and compared with its source."""

import time

from ..errors import ClusterNotHealthyError
from ..search.documents import by_shard
from ..search.pipelining import ReadAhead, stored_in_order
from ..search.seqno import NOTHING, settled_positions
from .catch_up import CatchUp, bring_delta
from .copier import ReadBack
from .fingerprints import Fingerprints
from .report import COPYING, VERIFIED, MonthProgress
from .run_context import StoppedError
from .verification import Verifier

_SMALL = 500
_ROUNDS = 20


class MonthCopy:
    """Copies one month; its bookmark says how far.

    Args:
        run: the :class:`~.run_context.MigrationRun`.
        bookmark: the month's.
        report: the month's :class:`~.report.MonthReport`.
        target: name of the target.
        fence: alias through which this run writes to it.
    """

    def __init__(self, run, bookmark, report, target, fence):
        """Keep what is needed; copies nothing yet."""
        self._run, self._bookmark, self._report = run, bookmark, report
        self._event_type, self._month = report.event_type, report.month
        self._target, self._fence = target, fence
        self.before = 0

    def _copied(self):
        return by_shard(self._bookmark.data["shards"])

    def copy_and_verify(self, source):
        """Copy until little is left, and compare all of it.

        Args:
            source: the :class:`~..usage_events.indices.EventsIndex` to be copied.

        Returns:
            dict: shard -> position up to which everything is verified.
        """
        prints = Fingerprints(self._bookmark.data["prints"])
        back = ReadBack(
            self._run.client,
            self._run.copier.text_client,
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
        self._run.step("verify")
        self.show(VERIFIED)
        verifier = Verifier(
            self._run.copier,
            source.name,
            self._target,
            self._fence,
            self._run.fresh_lookup,
            self._run.names,
        )
        found = verifier.verify(settled, prints, back.finish())
        self._run.step("verified")
        self._report.verified = {"count": True, "checksum": True, "enrichment": True}
        self._bookmark.write(
            state=VERIFIED,
            verified={
                "events": found.events,
                "repaired": found.repaired,
                "sampled": found.sampled,
                "read_back": {n: p.last for n, p in back.read_upto.items()},
                "histories": {n: p.history for n, p in back.read_upto.items()},
            },
        )
        return settled

    def _checkpoints(self, source):
        found = settled_positions(self._run.client, source.name)
        if len(found) < source.shards:
            raise ClusterNotHealthyError(
                f"Not every shard of {source.name} has a started primary. Run the same "
                "command again when the index is whole."
            )
        return {shard: p.checkpoint for shard, p in found.items()}

    def _left(self, upto):
        copied = self._copied()
        return sum(at - copied.get(shard, NOTHING) for shard, at in upto.items())

    def _copy(self, source, upto, prints, back):
        self._run.step("copy")
        ahead = ReadAhead(self._run.copier.batches(source.name, self._copied(), upto))
        clock = time.monotonic()
        before, spent = self._report.copied, self._bookmark.data["seconds"]
        try:
            for batch in stored_in_order(self._allowed(ahead), self._write):
                self._remember(batch, prints, spent + time.monotonic() - clock)
                back.written(len(batch.actions))
                seconds = time.monotonic() - clock
                rate = (self._report.copied - before) / max(seconds, 0.001)
                self.show(COPYING, rate=rate, backlog=self._left(upto))
        finally:
            ahead.close()

    def _allowed(self, batches):
        """Yield batches until this run has had its share of the month."""
        limit = self._run.options.max_batches
        left = None if limit is None else limit - self._report.batches
        for batch in batches:
            if left == 0:
                raise StoppedError(
                    f"{self._bookmark.id}: {limit} batches were written, which is the "
                    "most for one run; run the same command again to go on.",
                    of_month=True,
                )
            left = None if left is None else left - 1
            yield batch

    def _write(self, batch):
        self._run.copier.write(self._fence, batch)
        self._run.step("batch written")

    def _remember(self, batch, prints, seconds):
        """Store that a batch, and all before it, are in the target."""
        for _, day, hash in batch.prints:
            prints.add(day, hash)
        self._report.copied += len(batch.actions)
        self._report.batches += 1
        self._bookmark.write(
            shards={**self._bookmark.data["shards"], str(batch.shard): batch.position},
            prints=prints.stored(),
            copied=self.before + self._report.copied,
            batches=self._bookmark.data["batches"] + 1,
            seconds=round(seconds, 2),
        )
        self._run.step("bookmark written")

    def show(self, state, rate=0.0, backlog=0, waiting=None):
        """Tell whoever watches where the month is.

        Args:
            state: what is done with it.
            rate: events a second.
            backlog: events still to be copied.
            waiting: why it waits, or None.
        """
        total = self.before + self._report.copied + backlog
        self._run.progress(
            MonthProgress(
                event_type=self._event_type,
                month=self._month,
                state=state,
                copied=self.before + self._report.copied,
                total=max(
                    total, self._bookmark.data.get("source", {}).get("events", 0)
                ),
                rate=rate,
                backlog=backlog,
                waiting=waiting,
                eta=backlog / rate if rate else None,
            )
        )

    def bring_the_rest(self, source, settled):
        """Bring and check what came since, until the block has little to do.

        Args:
            source: the :class:`~..usage_events.indices.EventsIndex` that is copied.
            settled: shard -> position up to which everything is verified.

        Returns:
            tuple: the same, further on, and the :class:`~.catch_up.CatchUp` in between,
            which is not in the report yet.
        """
        events, only_written = 0, True
        for _ in range(_ROUNDS):
            upto = self._checkpoints(source)
            left = sum(at - settled.get(shard, NOTHING) for shard, at in upto.items())
            if left <= 0:
                break
            delta = bring_delta(
                self._run.copier,
                source.name,
                self._target,
                self._fence,
                settled,
                upto,
                self._run.copier.check,
            )
            events += delta.events
            only_written = only_written and delta.only_written
            settled = upto
            if left <= _SMALL:
                break
        return settled, CatchUp(events, only_written)
