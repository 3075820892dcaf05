# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run the aggregation: hold the lock, check the cluster, do the steps, report.

A run works on pipelines (usage, records). A pipeline has phases, and a phase has steps.
A step is a month, some days, or some communities. It is small enough to be repeated,
and its documents are stored when it returns. A run can therefore be killed at any
point, and the next run continues.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, OpenSearchException

from ..errors import LockLostError, UsageError
from ..search.compare_and_set import put_version, version_of
from ..search.health import HealthGate
from ..search.lock import ClusterLock
from ..search.names import FAMILIES, Names
from .aggregate_store import WriteCounts

if TYPE_CHECKING:
    from .run_sharing import SharedSteps
LOCK = "lock:aggregation"
"""Id of the lock's document in the index of bookmarks."""

_WORTH_SHARING = 6
"""Minimum number of steps in a phase for which helpers are called."""

LAST_RUN = "run:last"
"""Id of the document with the report of the last run."""

PREPARATION = "preparation"
"""Id of the document with the progress of the work that a run depends on."""


@dataclass(frozen=True)
class AggregationOptions:
    """The options of a run.

    Attributes:
        communities: UUIDs and ``global``; None for all. A restricted run leaves the
            list of pending work unchanged.
        families: some of :data:`~..search.names.FAMILIES`.
        first: first day, ``YYYY-MM-DD``, or None.
        last: last day, inclusive, or None.
        rebuild: count everything again, not only changes.
        dry_run: count and compare, but write nothing.
        limit: maximum number of days to count, or None.
    """

    communities: tuple[str, ...] | None = None
    families: tuple[str, ...] = FAMILIES
    first: str | None = None
    last: str | None = None
    rebuild: bool = False
    dry_run: bool = False
    limit: int | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether the run covers all communities, families and days."""
        everything = self.communities is None and set(self.families) == set(FAMILIES)
        return everything and self.first is None and self.last is None


@dataclass
class StepResult:
    """The result of one step.

    Attributes:
        written: family -> numbers of its documents.
        events: number of usage events that were counted.
        days: number of days that were counted.
        communities: number of communities whose records were counted.
        without_facts: number of records that are not counted, because they have
            community events but no facts.
    """

    written: dict[str, WriteCounts] = field(default_factory=dict)
    events: int = 0
    days: int = 0
    communities: int = 0
    without_facts: int = 0


@dataclass(frozen=True)
class Step:
    """One step of a phase.

    Attributes:
        label: description for the operator.
        weight: amount of work, in any unit that is the same within a phase.
        do: does the step.
        key: identifies the step for helpers; None if it cannot be shared.
    """

    label: str
    weight: int
    do: Callable[[], StepResult]
    key: str | None = None


class AggregationPipeline(Protocol):
    """The interface of the aggregation of usage and of the aggregation of records.

    Attributes:
        name: name of the pipeline.
        robots_left_out: event type -> number of stored events of robots that do not
            count; empty for records, and before the events were scanned.
    """

    name: str
    robots_left_out: dict[str, int]

    @property
    def patterns(self) -> list[str]:
        """Return patterns of the indices that must not be red."""

    def phases(self, options: AggregationOptions) -> Iterator[list[Step]]:
        """Yield phases; the next one is requested when the last one is done."""

    def days_left(self, options: AggregationOptions) -> int:
        """Return the number of days that are left for the next run."""

    def finish(self) -> None:
        """Make all written documents visible to searches."""

    def forget(self) -> None:
        """Delete the positions in the sources; the next runs count everything again."""


@dataclass(frozen=True)
class AggregationProgress:
    """The progress of a run.

    Attributes:
        label: label of the last step.
        done: weight of the finished steps of the phase.
        total: weight of the phase.
        events: number of usage events that the run has counted so far.
        seconds: time since the start of the phase.
    """

    label: str
    done: int
    total: int
    events: int
    seconds: float

    @property
    def eta(self) -> float | None:
        """Return the seconds that the rest of the phase will take; None if unknown."""
        if not self.done or not self.seconds:
            return None
        return self.seconds / self.done * (self.total - self.done)


@dataclass
class AggregationReport:
    """The result of a run.

    Attributes:
        families: family -> numbers of its documents.
        days: number of days that were counted.
        days_left: number of days that the next run counts; 0 when all is done.
        events: number of usage events that were counted.
        communities: number of communities whose records were counted.
        without_facts: number of records that are not counted, because they have
            community events but no facts.
        robots_left_out: event type -> number of stored events of robots that do not
            count; empty if the run has not read usage events.
        seconds: duration of the run.
        as_of: when the run started to read the sources, ISO 8601.
        dry_run: whether nothing was written.
    """

    families: dict[str, WriteCounts] = field(default_factory=dict)
    days: int = 0
    days_left: int = 0
    events: int = 0
    communities: int = 0
    without_facts: int = 0
    robots_left_out: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    as_of: str = ""
    dry_run: bool = False

    @property
    def completed(self) -> bool:
        """Return whether nothing is left to do."""
        return self.days_left == 0

    def add(self, done: StepResult) -> None:
        """Add the result of a step."""
        for family, written in done.written.items():
            self.families[family] = self.families.get(family, WriteCounts()) + written
        self.days += done.days
        self.events += done.events
        self.communities += done.communities
        self.without_facts += done.without_facts

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"completed": self.completed, **asdict(self)}


def check_families(families: Collection[str] | None) -> tuple[str, ...]:
    """Return the families to write; without a request, all families.

    Raises:
        UsageError: a family does not exist.
    """
    for family in families or ():
        if family not in FAMILIES:
            raise UsageError(
                f"Unknown family {family!r}. Known families: {', '.join(FAMILIES)}."
            )
    return tuple(f for f in FAMILIES if not families or f in families)


class AggregationRun:
    """One run of the aggregation.

    Args:
        client: decodes responses.
        names: the instance's index names.
        lock: must be held.
        gate: waits until the cluster is healthy.
        halves: the pipelines to work on.
        count_robots: whether events of robots count as on the record pages.
        progress: called after each step.
        shared: shares steps with helpers, or None.
        call: called with the number of steps that helpers can do; starts helpers.
            Required with ``shared``.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        lock: ClusterLock,
        gate: HealthGate,
        halves: Iterable[AggregationPipeline],
        count_robots: bool,
        progress: Callable[[AggregationProgress], None] | None = None,
        shared: "SharedSteps | None" = None,
        call: Callable[[int], None] | None = None,
    ) -> None:
        self._shared, self._call = shared, call
        self._client, self._names = client, names
        self._lock, self._gate, self._halves = lock, gate, halves
        self._progress, self._count_robots = progress, count_robots
        self.report = AggregationReport()

    def run(self, options: AggregationOptions) -> AggregationReport:
        """Do what the options request.

        Raises:
            ClusterNotHealthyError: the cluster was not healthy enough; run again.
            SearchUnavailableError: OpenSearch accepted no requests for too long.
            LockLostError: another run has taken over.
            StatsDashboardError: OpenSearch refuses a document.
        """
        start = time.monotonic()
        report = self.report
        report.as_of = datetime.now(UTC).isoformat()
        report.dry_run = options.dry_run
        with self._noted(options, report):
            for half in self._halves:
                self._gate.wait(half.patterns)
                if not options.dry_run:
                    self._note_change()
                for steps in half.phases(options):
                    self._phase(half, steps)
                report.days_left += half.days_left(options)
                report.robots_left_out |= half.robots_left_out
                if not options.dry_run and report.families:
                    half.finish()
            report.seconds = time.monotonic() - start
        return report

    def _note_change(self) -> None:
        """Store that days can have numbers by either setting for robots, if they can.

        It is stored before the first day is counted, because the run can be killed.
        """
        place = {"index": self._names.bookmarks, "id": LAST_RUN}
        before = self._client.get(**place, ignore=[404])
        stored = before.get("_source")
        if not stored or robots_counted(stored) in (None, self._count_robots):
            return
        self._lock.check()
        body = {**stored, "count_robots": None}
        # After a conflict, the response to a first attempt was lost.
        with suppress(ConflictError):
            put_version(self._client, **place, body=body, version=version_of(before))

    def _phase(self, half: AggregationPipeline, steps: Sequence[Step]) -> None:
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

    def _did(
        self, half: AggregationPipeline, steps: Sequence[Step]
    ) -> Iterator[tuple[Step, StepResult]]:
        """Do steps, and yield each one with its result."""
        keys = [step.key for step in steps if step.key]
        if self._shared is None or len(keys) < _WORTH_SHARING:
            for step in steps:
                yield step, self._do(half, step.do)
            return
        self._shared.offer(keys)
        try:
            assert self._call is not None
            self._call(len(keys))
            yield from self._with_helpers(half, steps)
        finally:
            self._shared.close()

    def _with_helpers(
        self, half: AggregationPipeline, steps: Iterable[Step]
    ) -> Iterator[tuple[Step, StepResult]]:
        assert self._shared is not None
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

    def _taken(self, half: AggregationPipeline, step: Step) -> StepResult | None:
        assert self._shared is not None
        if not step.key:
            return self._do(half, step.do)
        return self._shared.take(step.key, lambda check: self._do(half, step.do))

    def _do(
        self, half: AggregationPipeline, do: Callable[[], StepResult]
    ) -> StepResult:
        self._gate.wait(half.patterns)
        self._lock.check()
        return do()

    @contextmanager
    def _noted(
        self, options: AggregationOptions, report: AggregationReport
    ) -> Iterator[None]:
        """Store how the run ended, for the status."""
        error: BaseException | None = None
        try:
            yield
        except BaseException as failed:  # An interruption is not a success either.
            error = failed
            raise
        finally:
            if not options.dry_run:
                self._note(options, report, error)

    def _note(
        self,
        options: AggregationOptions,
        report: AggregationReport,
        error: BaseException | None,
    ) -> None:
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
            # The run's own error matters more, and often has the same cause.
            if error is None:
                raise

    def _write_note(self, body: dict[str, Any], options: AggregationOptions) -> None:
        """Store the report, unless another run has taken over and may store its own."""
        place = {"index": self._names.bookmarks, "id": LAST_RUN}
        before = self._client.get(**place, ignore=[404])
        # "Data as of" is the start of the latest run that counted everything.
        stored = before.get("_source", {})
        body["data_as_of"] = stored.get("data_as_of")
        if not body["robots_left_out"]:  # the run has not read usage events
            body["robots_left_out"] = stored.get("robots_left_out", {})
        is_same = not stored or robots_counted(stored) is self._count_robots
        has_counted_all = body["completed"] and options.is_whole
        if has_counted_all:
            body["data_as_of"] = body["as_of"]
        body["count_robots"] = (
            self._count_robots if is_same or has_counted_all else None
        )
        version = version_of(before) if before.get("found") else None
        self._lock.check()
        # After a conflict, another run has taken over and stored a later report, or the
        # response to a first attempt was lost.
        with suppress(ConflictError):
            put_version(self._client, **place, body=body, version=version)


def robots_counted(report: Mapping[str, Any]) -> bool | None:
    """Return whether events of robots count in the numbers of all days.

    Args:
        report: the stored report of the last run. Versions that have not stored the
            setting counted robots as the record pages do.

    Returns:
        None if days can have numbers by either setting.
    """
    return report.get("count_robots", True)


def _sentence(error: BaseException | None) -> str:
    return str(error)[:1000] or type(error).__name__
