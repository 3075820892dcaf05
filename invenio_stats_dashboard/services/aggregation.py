# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Making a run of the aggregation of an application.

What counts is imported by the functions that count: it needs Polars, which takes memory
and time that web processes and other commands can do without. Polars starts threads, so
it must not be imported by the first process of a server, which forks its workers.
"""

import uuid
from collections.abc import Callable
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from importlib import metadata

from flask import Flask
from opensearchpy import OpenSearch

from ..aggregations import polars_guard
from ..aggregations.aggregate_indices import AggregateIndices
from ..aggregations.aggregate_store import ensure_templates
from ..aggregations.documents import bookmarks_mapping
from ..aggregations.run_sharing import SharedSteps
from ..aggregations.runner import (
    LOCK,
    AggregationOptions,
    AggregationRun,
    check_families,
)
from ..aggregations.source_positions import SourcePositions
from ..aggregations.usage.event_filter import queries, rules
from ..errors import LockLostError, NotReadyError, UsageError
from ..search import index_templates
from ..search.client import json_client, text_client
from ..search.health import HealthGate, HealthLimits
from ..search.lock import ClusterLock
from ..search.names import (
    RECORD_FAMILIES,
    USAGE_DELTA,
    USAGE_FAMILIES,
    USAGE_SNAPSHOT,
    Names,
)
from ..search.site_templates import shards_and_replicas


def aggregate(app, options, progress=None, waiting=None, call=None):
    """Count what has changed.

    Args:
        app: the Flask application.
        options: the :class:`~..aggregations.runner.AggregationOptions`.
        progress: called with a :class:`~..aggregations.runner.AggregationProgress` after each step.
        waiting: called with a sentence whenever the run waits.
        call: called with the id of the run and a number of steps; sends for helpers,
            each of which calls :func:`help_with`. None does all steps here.

    Returns:
        AggregationReport: what was done.
    """
    check_enabled(app)
    polars_guard.require_same_process()
    names, client = Names.of(app), json_client(app, timeout=60)
    with locked(app, client, names) as lock:
        if options.dry_run:
            _indices(app, client, names, lock.check).require_current()
        gate = HealthGate(client, _limits(app), waiting)
        halves = _halves(app, client, names, lock, gate, options, waiting)
        run = AggregationRun(client, names, lock, gate, halves, progress)
        if call:
            shared = _shared(app, client, names, lock.holder)
            run = AggregationRun(
                client,
                names,
                lock,
                gate,
                halves,
                progress,
                shared,
                partial(call, lock.holder),
            )
        return run.run(options)


def check_enabled(app):
    """See that the extension is switched on.

    Raises:
        NotReadyError: it is not.
    """
    if not app.config["COMMUNITY_STATS_ENABLED"]:
        raise NotReadyError(
            "COMMUNITY_STATS_ENABLED is False, so nothing is aggregated. Set it to "
            "True, restart, and run the same command again."
        )


def help_with(app, run):
    """Do steps of a run that another worker has begun, until none is left.

    Args:
        app: the Flask application.
        run: id of the run.

    Returns:
        int: how many steps were done; 0 if what this worker would count differs.
    """
    polars_guard.require_same_process()
    names, client = Names.of(app), json_client(app, timeout=60)
    shared, gate = _shared(app, client, names, run), HealthGate(client, _limits(app))

    def do(key, check_step):
        def check():
            shared.check_run()
            check_step()

        check()
        usage = _usage(app, client, names, check)
        gate.wait(usage.patterns)
        return usage.do(key)

    steps = 0
    # the run begins at the other end
    for key in reversed(shared.offered()):
        with suppress(LockLostError):
            steps += shared.take(key, partial(do, key)) is not None
    return steps


def _shared(app, client, names, run):
    ttl = app.config["COMMUNITY_STATS_AGGREGATION_LOCK_TTL"]
    return SharedSteps(client, names.bookmarks, run, ttl, _rules(app))


def _rules(app):
    """Return a mark of all that decides on what a worker would write.

    While a site is deployed anew some of its workers have the configuration, or the
    code, of before.
    """
    subcounts = app.extensions["invenio-stats-dashboard"].subcounts
    top = app.config["COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT"]
    version = metadata.version("invenio-stats-dashboard")
    return f"{version} {rules(queries(app), subcounts, top)}"


def _usage(app, client, names, check, waiting=None):
    from ..aggregations.usage.aggregator import UsageAggregator

    subcounts = app.extensions["invenio-stats-dashboard"].subcounts
    indices = _indices(app, client, names, check)
    return UsageAggregator(
        app, client, text_client(app), names, subcounts, check, waiting, indices
    )


def _indices(
    app: Flask, client: OpenSearch, names: Names, check: Callable[[], None]
) -> AggregateIndices:
    gigabytes = app.config["COMMUNITY_STATS_AGGREGATES_SHARD_GB"]
    return AggregateIndices(client, names, gigabytes, check)


def clear_bookmarks(app, dry_run=False):
    """Forget how far everything is counted; see ``CommunityStatsService``.

    Args:
        app: the Flask application.
        dry_run: change nothing.

    Returns:
        dict: name of the half -> source indices whose bookmarks were there.
    """
    names, client = Names.of(app), json_client(app, timeout=60)
    if dry_run:
        return _bookmarks(client, names)
    with locked(app, client, names) as lock:
        found = _bookmarks(client, names)
        gate = HealthGate(client, _limits(app))
        for half in _halves(app, client, names, lock, gate, AggregationOptions(), None):
            half.forget()
        return found


def _bookmarks(client, names):
    return {
        scope: sorted(
            source.index
            for source in SourcePositions(client, names, scope).read().values()
            # some hold what belongs to no index
            if source.uuid and source.shards
        )
        for scope in ("usage", "records")
    }


def options_of(app, communities, families, first, last, rebuild, dry_run):
    """Return checked options of a run.

    Usage snapshots are running totals of the deltas, so these are brought up to date,
    too, where only the snapshots are asked for.

    Raises:
        UsageError: the arguments make no sense.
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
        # who asks for particular days or communities wants all that there is of them;
        # and where what is counted stays on the list, the next run would count it again
        limit=(
            None
            if rebuild or first or last or communities
            else app.config["COMMUNITY_STATS_CATCHUP_INTERVAL"]
        ),
    )


def _halves(app, client, names, lock, gate, options, waiting):
    from ..aggregations.records.aggregator import RecordsAggregator

    subcounts = app.extensions["invenio-stats-dashboard"].subcounts
    halves = []
    if set(options.families) & set(USAGE_FAMILIES):
        halves.append(_usage(app, client, names, lock.check, waiting))
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
            )
        )
    return halves


def _limits(app):
    return HealthLimits(
        memory_percent=app.config["STATS_DASHBOARD_REINDEXING_MAX_MEMORY_PERCENT"],
        patience=app.config["STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT"],
    )


@contextmanager
def locked(app, client, names, name=LOCK):
    """Hold the aggregation's lock, or another one; one run at a time has it.

    Args:
        app: the Flask application.
        client: an ordinary client.
        names: the instance's names.
        name: id of the lock's document.

    Yields:
        ClusterLock: the lock.

    Raises:
        LockedError: another run holds it.
    """
    # first, since the index of a site on which OpenSearch was away when the application
    # started has no template yet
    ensure_templates(client, names, partial(shards_and_replicas, app))
    index_templates.make(client, names.bookmarks, bookmarks_mapping())
    ttl = app.config["COMMUNITY_STATS_AGGREGATION_LOCK_TTL"]
    lock = ClusterLock(client, names.bookmarks, name, uuid.uuid4().hex[:12], ttl)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()
