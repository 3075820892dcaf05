# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create and start a run of the aggregation.

The functions that count import the modules that need Polars. Importing Polars takes
memory and time, which web processes and other commands should not spend. Polars also
starts threads, so the first process of a server, which forks its workers, must not
import it.
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING

from flask import Flask
from invenio_db import db
from opensearchpy import OpenSearch

from ..aggregations import polars_guard
from ..aggregations.aggregate_indices import AggregateIndices
from ..aggregations.aggregate_store import ensure_templates
from ..aggregations.documents import bookmarks_mapping
from ..aggregations.record_access import AccessRules
from ..aggregations.run_sharing import SharedSteps
from ..aggregations.runner import (
    LOCK,
    AggregationOptions,
    AggregationPipeline,
    AggregationProgress,
    AggregationReport,
    AggregationRun,
    StepResult,
    check_families,
)
from ..aggregations.source_positions import SourcePositions
from ..aggregations.usage.event_filter import COUNT_ROBOTS, rules
from ..community_events.membership import MembershipReader
from ..errors import LockLostError, NotReadyError, UsageError
from ..search import index_templates
from ..search.client import json_client, text_client
from ..search.foreign_indices import require_own_indices
from ..search.health import HealthGate, HealthLimits
from ..search.lock import ClusterLock
from ..search.names import (
    RECORD_FAMILIES,
    USAGE_DELTA,
    USAGE_FAMILIES,
    USAGE_SNAPSHOT,
    Names,
)
from ..search.template_composition import for_site
from ..subcounts import Subcount

if TYPE_CHECKING:
    from ..aggregations.usage.aggregator import UsageAggregator


def aggregate(
    app: Flask,
    subcounts: Mapping[str, Subcount],
    options: AggregationOptions,
    progress: Callable[[AggregationProgress], None] | None = None,
    waiting: Callable[[str], None] | None = None,
    call: Callable[[str, int], None] | None = None,
) -> AggregationReport:
    """Count the days and communities that have changed.

    Args:
        app: the application.
        subcounts: the registry of breakdowns.
        options: what to count.
        progress: called after each step.
        waiting: called with a sentence whenever the run waits.
        call: called with the id of the run and a number of steps. It starts helpers,
            each of which calls :func:`help_with`. None does all steps in this process.
    """
    check_enabled(app)
    polars_guard.require_same_process()
    names, client = Names.of(app), json_client(app, timeout=60)
    require_own_indices(client, names)
    with locked(app, client, names) as lock:
        if options.dry_run:
            _indices(app, client, names, lock.check).require_current()
        gate = HealthGate(client, _limits(app), waiting)
        halves = _halves(app, client, names, subcounts, lock, gate, options, waiting)
        shared, start_helpers = None, None
        if call:
            shared = _shared(app, client, names, subcounts, lock.holder)
            start_helpers = partial(call, lock.holder)
        run = AggregationRun(
            client,
            names,
            lock,
            gate,
            halves,
            app.config[COUNT_ROBOTS],
            progress,
            shared,
            start_helpers,
        )
        return run.run(options)


def check_enabled(app: Flask) -> None:
    """Check that the extension is enabled.

    Raises:
        NotReadyError: it is disabled.
    """
    if not app.config["COMMUNITY_STATS_ENABLED"]:
        raise NotReadyError(
            "COMMUNITY_STATS_ENABLED is False, so nothing is aggregated. Set it to "
            "True, restart, and run the same command again."
        )


def help_with(app: Flask, subcounts: Mapping[str, Subcount], run: str) -> int:
    """Do steps of a run that another worker has started, until none is left.

    Args:
        app: the application.
        subcounts: the registry of breakdowns.
        run: id of the run.

    Returns:
        The number of steps done; 0 if this worker has different rules for counting.
    """
    polars_guard.require_same_process()
    names, client = Names.of(app), json_client(app, timeout=60)
    shared = _shared(app, client, names, subcounts, run)
    gate = HealthGate(client, _limits(app))

    def do(key: str, check_step: Callable[[], None]) -> StepResult:
        def check() -> None:
            shared.check_run()
            check_step()

        check()
        usage = _usage(app, client, names, subcounts, check)
        gate.wait(usage.patterns)
        return usage.do(key)

    steps = 0
    # the run itself starts at the other end of the list
    for key in reversed(shared.offered()):
        with suppress(LockLostError):
            steps += shared.take(key, partial(do, key)) is not None
    return steps


def _shared(
    app: Flask,
    client: OpenSearch,
    names: Names,
    subcounts: Mapping[str, Subcount],
    run: str,
) -> SharedSteps:
    ttl = app.config["COMMUNITY_STATS_AGGREGATION_LOCK_TTL"]
    return SharedSteps(client, names.bookmarks, run, ttl, _rules(app, subcounts))


def _rules(app: Flask, subcounts: Mapping[str, Subcount]) -> str:
    """Return a text that is equal for workers that would write the same documents.

    During a deployment, some workers of a site still have the old configuration or
    code.
    """
    version = metadata.version("invenio-stats-dashboard")
    return f"{version} {rules(app, subcounts)}"


def _usage(
    app: Flask,
    client: OpenSearch,
    names: Names,
    subcounts: Mapping[str, Subcount],
    check: Callable[[], None],
    waiting: Callable[[str], None] | None = None,
) -> "UsageAggregator":
    from ..aggregations.usage.aggregator import UsageAggregator

    indices = _indices(app, client, names, check)
    return UsageAggregator(
        app,
        client,
        text_client(app),
        names,
        subcounts,
        check,
        waiting,
        indices,
        partial(access_rules, app),
    )


def access_rules(app: Flask) -> AccessRules:
    """Return the site's rules for hidden records.

    Raises:
        DatabaseUnavailableError: the database did not answer.
    """
    timeout = app.config["STATS_DASHBOARD_SCAN_TIMEOUT"]
    reader = MembershipReader(db.engine, timeout=timeout)
    return AccessRules(
        reader.restricted_communities(),
        app.config["STATS_DASHBOARD_SHOW_HIDDEN_RECORDS"],
    )


def _indices(
    app: Flask, client: OpenSearch, names: Names, check: Callable[[], None]
) -> AggregateIndices:
    gigabytes = app.config["COMMUNITY_STATS_AGGREGATES_SHARD_GB"]
    return AggregateIndices(client, names, gigabytes, check)


def clear_bookmarks(
    app: Flask, subcounts: Mapping[str, Subcount], dry_run: bool = False
) -> dict[str, list[str]]:
    """Delete the bookmarks of all sources; see ``CommunityStatsService``.

    Args:
        app: the application.
        subcounts: the registry of breakdowns.
        dry_run: change nothing.

    Returns:
        ``usage`` and ``records`` -> source indices that had bookmarks.
    """
    names, client = Names.of(app), json_client(app, timeout=60)
    require_own_indices(client, names)
    if dry_run:
        return _bookmarks(client, names)
    with locked(app, client, names) as lock:
        found = _bookmarks(client, names)
        gate = HealthGate(client, _limits(app))
        options = AggregationOptions()
        for half in _halves(app, client, names, subcounts, lock, gate, options, None):
            half.forget()
        return found


def _bookmarks(client: OpenSearch, names: Names) -> dict[str, list[str]]:
    return {
        scope: sorted(
            source.index
            for source in SourcePositions(client, names, scope).read().values()
            # some bookmarks belong to no index
            if source.uuid and source.shards
        )
        for scope in ("usage", "records")
    }


def options_of(
    app: Flask,
    communities: tuple[str, ...] | None,
    families: Collection[str] | None,
    first: str | None,
    last: str | None,
    rebuild: bool,
    dry_run: bool,
) -> AggregationOptions:
    """Return checked options of a run.

    Usage snapshots are running totals of the deltas. So if only the snapshots are
    requested, the deltas are added.

    Raises:
        UsageError: an argument is invalid.
    """
    if first and last and first > last:
        raise UsageError(f"The start date {first} is after the end date {last}.")
    families = check_families(families)
    if USAGE_SNAPSHOT in families and USAGE_DELTA not in families:
        families = (USAGE_DELTA, *families)
    return AggregationOptions(
        communities=communities,
        families=families,
        first=first,
        last=last,
        rebuild=rebuild,
        dry_run=dry_run,
        # A run for particular days or communities has no limit. Days that it left
        # on the list would be counted again by the next run.
        limit=(
            None
            if rebuild or first or last or communities
            else app.config["COMMUNITY_STATS_CATCHUP_INTERVAL"]
        ),
    )


def _halves(
    app: Flask,
    client: OpenSearch,
    names: Names,
    subcounts: Mapping[str, Subcount],
    lock: ClusterLock,
    gate: HealthGate,
    options: AggregationOptions,
    waiting: Callable[[str], None] | None,
) -> list[AggregationPipeline]:
    from ..aggregations.records.aggregator import RecordsAggregator

    halves: list[AggregationPipeline] = []
    if set(options.families) & set(USAGE_FAMILIES):
        halves.append(_usage(app, client, names, subcounts, lock.check, waiting))
    if set(options.families) & set(RECORD_FAMILIES):
        top = app.config["COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT"]
        today = datetime.now(UTC).date()
        clients = client, text_client(app)
        halves.append(
            RecordsAggregator(
                *clients,
                names,
                subcounts,
                top,
                today,
                lock.check,
                gate,
                waiting,
                app.config["COMMUNITY_STATS_CORRECTIONS_KEPT_DAYS"],
                _indices(app, client, names, lock.check),
                partial(access_rules, app),
            )
        )
    return halves


def _limits(app: Flask) -> HealthLimits:
    return HealthLimits(
        memory_percent=app.config["STATS_DASHBOARD_REINDEXING_MAX_MEMORY_PERCENT"],
        patience=app.config["STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT"],
    )


@contextmanager
def locked(
    app: Flask, client: OpenSearch, names: Names, name: str = LOCK
) -> Iterator[ClusterLock]:
    """Hold the aggregation's lock, or another one, during the block.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.
        name: id of the lock's document.

    Yields:
        The lock.

    Raises:
        LockedError: another run holds it.
    """
    # The template is needed first. It is missing if OpenSearch did not answer when
    # the application started.
    ensure_templates(client, names, partial(for_site, app))
    index_templates.make(client, names.bookmarks, bookmarks_mapping())
    ttl = app.config["COMMUNITY_STATS_AGGREGATION_LOCK_TTL"]
    lock = ClusterLock(client, names.bookmarks, name, uuid.uuid4().hex[:12], ttl)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()
