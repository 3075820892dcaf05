# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""One run of the aggregation: the lock, the gate, the steps, what was done.

A run is made of halves (usage, records), each of phases, each of steps. A step is a
month, some days, or some communities: small enough to be lost, and done for good when
it returns. So a run can be killed at any point and the next one goes on.
"""

import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from opensearchpy.exceptions import ConflictError, OpenSearchException

from ..errors import LockLostError, UsageError
from ..search.names import FAMILIES
from .aggregate_store import WriteCounts

LOCK = "lock:aggregation"
"""Id of the lock's document in the index of bookmarks."""

_WORTH_SHARING = 6
"""Steps of a phase below which no helper is sent for."""

LAST_RUN = "run:last"
"""Id of the document that tells of the last run."""

PREPARATION = "preparation"
"""Id of the document that tells how far that is which must be there before a run."""


@dataclass(frozen=True)
class AggregationOptions:
    """What a run is asked to do.

    Attributes:
        communities: UUIDs and ``global``; None for all. A restricted run leaves the
            list of what is to be done as it is.
        families: of :data:`~..search.names.FAMILIES`.
        first: first day, or None.
        last: last day, or None.
        rebuild: count everything again, not only what has changed.
        dry_run: count, compare, and write nothing.
        limit: days to count at most, or None.
    """

    communities: tuple[str, ...] | None = None
    families: tuple[str, ...] = FAMILIES
    first: str | None = None
    last: str | None = None
    rebuild: bool = False
    dry_run: bool = False
    limit: int | None = None

    @property
    def is_whole(self):
        """Tell whether the run is about everything."""
        everything = self.communities is None and set(self.families) == set(FAMILIES)
        return everything and self.first is None and self.last is None


@dataclass
class StepResult:
    """What one step has done.

    Attributes:
        written: family -> :class:`~.aggregate_store.WriteCounts`.
        events: usage events that were counted.
        days: days that were counted.
        communities: whose records were counted.
        without_facts: records that are left out since nothing else is known of them.
    """

    written: dict = field(default_factory=dict)
    events: int = 0
    days: int = 0
    communities: int = 0
    without_facts: int = 0


@dataclass(frozen=True)
class Step:
    """A piece of work.

    Attributes:
        label: what it is, for a person.
        weight: how much it is, in any unit that is the same within a phase.
        do: does it and returns a :class:`StepResult`.
        key: text by which a helper knows it, or None if it cannot be shared.
    """

    label: str
    weight: int
    do: object
    key: str | None = None


class AggregationPipeline(Protocol):
    """What a run needs of usage, and of records.

    Attributes:
        name: of the half.
        patterns: of the indices that must not be red.
    """

    name: str
    patterns: list

    def phases(self, options):
        """Yield lists of steps; each list is asked for when those before are done."""

    def days_left(self, options):
        """Return how many days are left for the next run."""

    def finish(self):
        """Make all that was written visible."""

    def forget(self):
        """Forget how far the sources are counted; the next runs count all again."""


@dataclass(frozen=True)
class AggregationProgress:
    """How far a run is.

    Attributes:
        label: what is being done.
        done: weight of what is done of the phase.
        total: weight of the phase.
        events: usage events counted so far.
        seconds: since the phase began.
    """

    label: str
    done: int
    total: int
    events: int
    seconds: float

    @property
    def eta(self):
        """Return the seconds that the rest of the phase will take, or None."""
        if not self.done or not self.seconds:
            return None
        return self.seconds / self.done * (self.total - self.done)


@dataclass
class AggregationReport:
    """What a run has done.

    Attributes:
        families: family -> :class:`~.aggregate_store.WriteCounts`.
        days: days that were counted.
        days_left: days that the next run counts; 0 when all is done.
        events: usage events that were counted.
        communities: whose records were counted.
        without_facts: records that are left out since nothing else is known of them.
        seconds: how long it took.
        as_of: the moment at which the sources were looked at, ISO 8601.
        dry_run: nothing was written.
    """

    families: dict = field(default_factory=dict)
    days: int = 0
    days_left: int = 0
    events: int = 0
    communities: int = 0
    without_facts: int = 0
    seconds: float = 0.0
    as_of: str = ""
    dry_run: bool = False

    @property
    def completed(self):
        """Tell whether nothing is left to do."""
        return self.days_left == 0

    def add(self, done):
        """Add what a step has done."""
        for family, written in done.written.items():
            self.families[family] = self.families.get(family, WriteCounts()) + written
        self.days += done.days
        self.events += done.events
        self.communities += done.communities
        self.without_facts += done.without_facts

    def as_json(self):
        """Return the report as JSON values."""
        return {"completed": self.completed, **asdict(self)}


def check_families(families):
    """Return the families to write; none asked for means all.

    Raises:
        UsageError: one does not exist.
    """
    for family in families or ():
        if family not in FAMILIES:
            raise UsageError(
                f"There is no family {family!r}; there are {', '.join(FAMILIES)}."
            )
    return tuple(f for f in FAMILIES if not families or f in families)


class AggregationRun:
    """One run.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~..search.names.Names`.
        lock: a :class:`~..search.lock.ClusterLock` that is held.
        gate: a :class:`~..search.health.HealthGate`.
        halves: the :class:`AggregationPipeline` s to work on.
        progress: called with a :class:`AggregationProgress` after each step.
        shared: the :class:`~.run_sharing.SharedSteps` to do steps with helpers, or None.
        call: called with the number of steps that helpers may do; sends for them.
    """

    def __init__(
        self,
        client,
        names,
        lock,
        gate,
        halves,
        progress=None,
        shared=None,
        call=None,
    ):
        """Keep what is needed."""
        self._shared, self._call = shared, call
        self._client, self._names = client, names
        self._lock, self._gate, self._halves = lock, gate, halves
        self._progress = progress
        self.report = AggregationReport()

    def run(self, options):
        """Do what is asked.

        Args:
            options: the :class:`AggregationOptions`.

        Returns:
            AggregationReport: what was done.

        Raises:
            ClusterNotHealthyError: the cluster was not fit for more; run again.
            SearchUnavailableError: OpenSearch took no requests for too long.
            LockLostError: another run has taken over.
            StatsDashboardError: a document is refused for good.
        """
        start = time.monotonic()
        report = self.report
        report.as_of = datetime.now(UTC).isoformat()
        report.dry_run = options.dry_run
        with self._noted(options, report):
            for half in self._halves:
                self._gate.wait(half.patterns)
                for steps in half.phases(options):
                    self._phase(half, steps)
                report.days_left += half.days_left(options)
                if not options.dry_run and report.families:
                    half.finish()
            report.seconds = time.monotonic() - start
        return report

    def _phase(self, half, steps):
        total, done, start = sum(s.weight for s in steps), 0, time.monotonic()
        for step, did in self._did(half, steps):
            self.report.add(did)
            done += step.weight
            if self._progress:
                seconds = time.monotonic() - start
                events = self.report.events
                self._progress(
                    AggregationProgress(step.label, done, total, events, seconds)
                )

    def _did(self, half, steps):
        """Do steps, and yield each with what was done."""
        keys = [step.key for step in steps if step.key]
        if self._shared is None or len(keys) < _WORTH_SHARING:
            for step in steps:
                yield step, self._do(half, step.do)
            return
        self._shared.offer(keys)
        try:
            self._call(len(keys))
            yield from self._with_helpers(half, steps)
        finally:
            self._shared.close()

    def _with_helpers(self, half, steps):
        left = list(steps)
        while left:
            others = []
            for step in left:
                did = self._shared.done(step.key) if step.key else None
                if did is None:
                    did = self._taken(half, step)
                if did is None:
                    others.append(step)
                else:
                    yield step, did
            if len(others) == len(left):
                self._lock.check()
                self._shared.wait()
            left = others

    def _taken(self, half, step):
        if not step.key:
            return self._do(half, step.do)
        return self._shared.take(step.key, lambda check: self._do(half, step.do))

    def _do(self, half, do):
        self._gate.wait(half.patterns)
        self._lock.check()
        return do()

    @contextmanager
    def _noted(self, options, report):
        """Keep how the run ended, for status."""
        error = None
        try:
            yield
        except BaseException as failed:  # an interruption is no success either
            error = failed
            raise
        finally:
            if not options.dry_run:
                self._note(options, report, error)

    def _note(self, options, report, error):
        failed = isinstance(error, Exception)
        body = {
            **report.as_json(),
            "kind": "run",
            "run": self._lock.holder,
            "updated_at": datetime.now(UTC).isoformat(),
            "completed": error is None and report.completed,
            "error": _sentence(error) if failed else None,
            "interrupted": error is not None and not failed,
        }
        try:
            self._write_note(body, options)
        except (LockLostError, OpenSearchException):
            # the run's own outcome matters more, and tells of the same trouble
            if error is None:
                raise

    def _write_note(self, body, options):
        """Store it unless another run has taken over, whose note it would replace."""
        place = {"index": self._names.bookmarks, "id": LAST_RUN}
        before = self._client.get(**place, ignore=[404])
        # up to when everything was counted, by the runs before this one
        body["data_as_of"] = before.get("_source", {}).get("data_as_of")
        if body["completed"] and options.is_whole:
            body["data_as_of"] = body["as_of"]
        condition = {"op_type": "create"}
        if before.get("found"):
            condition = {
                "if_seq_no": before["_seq_no"],
                "if_primary_term": before["_primary_term"],
            }
        self._lock.check()
        # who took over since has written a later one; or only the answer was lost
        with suppress(ConflictError):
            self._client.index(**place, body=body, params=condition)


def _sentence(error):
    return str(error)[:1000] or type(error).__name__
