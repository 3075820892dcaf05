# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Copy one month in rounds until few events remain, and verify the copy."""

import time
from collections.abc import Iterable, Iterator, Mapping

from opensearchpy.exceptions import OpenSearchException

from ..errors import ClusterNotHealthyError, StatsDashboardError
from ..search.compare_and_set import Bookmark, by_shard
from ..search.concurrent_batches import ReadAhead, stored_in_order
from ..search.failures import explain
from ..search.seqno import NOTHING, settled_positions
from ..usage_events.indices import EventsIndex
from ..usage_events.odd_events import OddEventStore
from .catch_up import CatchUp, bring_delta
from .copier import EventBatch, ReadBack
from .fingerprints import Fingerprints
from .report import COPYING, VERIFIED, MonthProgress, MonthReport
from .run_context import MigrationRun, StoppedError
from .verification import Verifier

_SMALL = 500
"""Number of remaining operations at which the rounds end."""
_ROUNDS = 20
_EXAMPLES = 10
"""Number of odd events whose ``_id`` is in the report."""


class MonthCopy:
    """Copies one month, and stores the progress in the month's bookmark.

    Args:
        run: the run that copies.
        bookmark: the month's bookmark.
        report: the month's report.
        target: name of the target.
        fence: alias through which this run writes to the target.

    Attributes:
        before: events that earlier runs have copied.
    """

    def __init__(
        self,
        run: MigrationRun,
        bookmark: Bookmark,
        report: MonthReport,
        target: str,
        fence: str,
    ) -> None:
        self._run, self._bookmark, self._report = run, bookmark, report
        self._event_type, self._month = report.event_type, report.month
        self._target, self._fence = target, fence
        self._odd_events = OddEventStore(run.client, run.names)
        self.before = 0

    def _copied(self) -> dict[int, int]:
        """Return shard -> position up to which events are copied."""
        return by_shard(self._bookmark.data["shards"])

    def copy_and_verify(self, source: EventsIndex) -> dict[int, int]:
        """Copy until few events remain, and verify all copied events.

        Args:
            source: index to copy.

        Returns:
            shard -> position up to which all events are verified.

        Raises:
            VerificationError: the copy differs from its source.
            StoppedError: the run has written its maximum of batches.
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

    def _checkpoints(self, source: EventsIndex) -> dict[int, int]:
        """Return shard -> position up to which the source can be read."""
        found = settled_positions(self._run.client, source.name)
        if len(found) < source.shards:
            raise ClusterNotHealthyError(
                f"A shard of {source.name} has no started primary. Run the same "
                "command again when all primary shards of the index are active."
            )
        return {shard: p.checkpoint for shard, p in found.items()}

    def _left(self, upto: Mapping[int, int]) -> int:
        """Return the number of operations between the copied positions and these."""
        copied = self._copied()
        return sum(at - copied.get(shard, NOTHING) for shard, at in upto.items())

    def _copy(
        self,
        source: EventsIndex,
        upto: Mapping[int, int],
        prints: Fingerprints,
        back: ReadBack,
    ) -> None:
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

    def _allowed(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        """Yield batches up to the limit of this run for the month.

        Raises:
            StoppedError: the limit is reached and more batches follow.
        """
        limit = self._run.options.max_batches
        left = None if limit is None else limit - self._report.batches
        for batch in batches:
            if left == 0:
                raise StoppedError(
                    f"{self._bookmark.id}: this run has written {limit} batches, its "
                    "limit. Run the same command again to continue.",
                    of_month=True,
                )
            left = None if left is None else left - 1
            yield batch

    def _write(self, batch: EventBatch) -> None:
        self._run.copier.write(self._fence, batch)
        self._run.step("batch written")

    def _remember(
        self, batch: EventBatch, prints: Fingerprints, seconds: float
    ) -> None:
        """Store in the bookmark that the target holds a batch and all before it."""
        for _, day, hash in batch.prints:
            prints.add(day, hash)
        if batch.odd:
            self._note_odd(batch)
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

    def _note_odd(self, batch: EventBatch) -> None:
        """Report and store the odd events of a batch."""
        self._report.odd_events += len(batch.odd)
        room = _EXAMPLES - len(self._report.odd_event_ids)
        self._report.odd_event_ids += list(batch.odd)[: max(room, 0)]
        try:
            self._odd_events.add(self._event_type, self._month, batch.odd)
        except (OpenSearchException, StatsDashboardError) as error:
            # Counting finds the same events again.
            self._run.note(f"Odd events cannot be stored. {_sentence(error)}")

    def show(
        self,
        state: str,
        rate: float = 0.0,
        backlog: int = 0,
        waiting: str | None = None,
    ) -> None:
        """Report the progress of the month.

        Args:
            state: the current state or step.
            rate: events per second.
            backlog: events that remain to be copied.
            waiting: the reason for a pause, or None.
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

    def bring_the_rest(
        self, source: EventsIndex, settled: dict[int, int]
    ) -> tuple[dict[int, int], CatchUp]:
        """Copy and verify newer events, so that few remain for the write block.

        Args:
            source: index that is copied.
            settled: shard -> position up to which all events are verified.

        Returns:
            The advanced positions, and the result of the catch-up. The caller adds it
            to the report.
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


def _sentence(error: Exception) -> str:
    return explain(error) if isinstance(error, OpenSearchException) else str(error)
