# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""All aggregates equal those of the reference, on generated histories.

Runs happen at random points, and some do only part of the work or fail midway. After
each complete run, the documents are those of the reference. At the end, a rebuild finds
nothing to change.
"""

import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings

from invenio_stats_dashboard.aggregations import runner as run_of_aggregation
from invenio_stats_dashboard.aggregations.record_access import AccessRules
from invenio_stats_dashboard.aggregations.usage import month_sums
from invenio_stats_dashboard.services import aggregation as service
from invenio_stats_dashboard.services.aggregation import options_of
from invenio_stats_dashboard.subcounts import load

from ..conftest import remove_statistics
from ..helpers import reference
from ..helpers.histories import (
    BROKEN,
    DATES,
    DAYS,
    DRY,
    NONE,
    OF_COMMUNITIES,
    OF_DAYS,
    OF_FAMILIES,
    PIECE,
    SHARED,
    WHOLE,
    Cut,
    History,
    Publish,
    Rest,
    Use,
    histories,
    of_all,
    of_records,
    of_usage,
)
from ..helpers.search_requests import before_requests
from ..helpers.simulation import COMMUNITIES
from ..helpers.stored import (
    StoredInstance,
    aggregates_in,
    assert_equal_to_reference,
    assert_sums_of_months,
)

EXAMPLES = int(os.environ.get("HISTORIES", 8))
"""Number of histories for each test; more of them find rarer faults."""

FEW = max(1, EXAMPLES // 3)

TOP = 2
"""Number of values of a ``top`` breakdown, so few that values are left out."""

COUNT_ROBOTS = "STATS_DASHBOARD_COUNT_ROBOTS"

MOST = (2, 1)
"""Values of a breakdown in a usage delta, so few that values are added up."""

RECORDS = tuple(f for f in reference.FAMILIES if f.startswith("records"))
USAGE = tuple(f for f in reference.FAMILIES if f.startswith("usage"))


class RunFailedError(Exception):
    """Makes a run fail."""


@pytest.fixture()
def aggregate(app, monkeypatch):
    """Return a function that makes a run as a part of the history requests it."""
    monkeypatch.setitem(app.config, "COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT", TOP)
    of_events, of_records = MOST
    monkeypatch.setitem(app.config, "STATS_DASHBOARD_MAX_VALUES_PER_DAY", of_events)
    monkeypatch.setitem(
        app.config, "STATS_DASHBOARD_MAX_RECORD_VALUES_PER_DAY", of_records
    )
    monkeypatch.setattr(run_of_aggregation, "_WORTH_SHARING", 1)

    extension = app.extensions["invenio-stats-dashboard"]

    def help_(started, _):
        run.helped += service.help_with(app, extension.subcounts, started)

    def run(cut, families):
        days = DAYS[1:3] if cut.kind == OF_DAYS else (None, None)
        options = options_of(
            app,
            (COMMUNITIES[0], reference.GLOBAL) if cut.kind == OF_COMMUNITIES else None,
            families[::2] if cut.kind == OF_FAMILIES else families,
            *days,
            rebuild=cut.rebuild,
            dry_run=cut.kind == DRY,
        )
        if cut.kind == PIECE:
            options = replace(options, limit=1)
        with failing_after(cut.number if cut.kind == BROKEN else None):
            return service.aggregate(
                app,
                extension.subcounts,
                options,
                call=help_ if cut.kind == SHARED else None,
            )

    def access_rules(_):
        return AccessRules(run.restricted)

    monkeypatch.setattr(service, "access_rules", access_rules)
    run.helped = 0
    run.restricted = frozenset()
    return run


@contextmanager
def failing_after(number):
    """Make one request fail, after a number of others, as if the process ended."""
    left = number

    def count(request):
        nonlocal left
        # not the requests of the lock: a thread renews it, and the next run
        # would wait for a lock that was not released
        in_thread = threading.current_thread() is not threading.main_thread()
        if left is not None and not in_thread and "lock%3A" not in request.path:
            left -= 1
            if left == 0:
                raise RunFailedError

    with suppress(RunFailedError), before_requests(count):
        yield


@pytest.fixture()
def check(app, client, names):
    """Return a function that compares the documents with the reference."""

    def check(stored, families):
        today = datetime.now(UTC).date().isoformat()
        registry = app.config["COMMUNITY_STATS_SUBCOUNTS"]
        assert_equal_to_reference(
            *(client, names, stored, registry, today, TOP, families, MOST),
            app.config[COUNT_ROBOTS],
        )
        if families[-1] == USAGE[-1]:
            assert_sums_of_months(client, names, registry, month_sums.LEAST)

    return check


@pytest.fixture()
def follow(app, client, names, aggregate, check, monkeypatch):
    """Return a function that follows a history with runs and checks the documents.

    Whether robots count can depend on the run.
    """

    def follow(history, families, count_robots=lambda cut: False):
        remove_statistics(client, names)
        instance = StoredInstance(client, names)
        for _, stored, cut in history.moments():
            instance.put(stored)
            aggregate.restricted = stored.restricted
            monkeypatch.setitem(app.config, COUNT_ROBOTS, count_robots(cut))
            if cut.kind == DRY:
                before = aggregates_in(client, names, families)
            if cut.kind != NONE:
                aggregate(cut, families)
            if cut.kind in (WHOLE, SHARED):
                check(stored, families)
            if cut.kind == DRY:
                assert aggregates_in(client, names, families) == before
        for rebuild in (False, True):
            report = aggregate(Cut(WHOLE, rebuild=rebuild), families)
            assert not _written(report), f"rebuild={rebuild}: {report.families}"
        check(stored, families)

    return follow


def _written(report):
    """Return the families that a run has written documents of."""
    return [
        family
        for family, written in report.families.items()
        if written.created or written.changed or written.deleted
    ]


def histories_of(kinds, examples=EXAMPLES):
    """Return the decorators of a test that takes histories."""

    def decorate(test):
        return settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=[
                HealthCheck.function_scoped_fixture,
                HealthCheck.too_slow,
            ],
        )(given(histories(kinds=kinds))(test))

    return decorate


@histories_of(of_usage)
def test_usage(follow, history):
    follow(history, USAGE)


@histories_of(of_usage)
def test_usage_while_it_changes_whether_robots_count(follow, history):
    follow(history, USAGE, lambda cut: cut.number % 2 == 1)


@histories_of(of_records)
def test_records(follow, history):
    follow(history, RECORDS)


@histories_of(of_all)
def test_all_families(follow, history):
    follow(history, reference.FAMILIES)


def test_every_kind_of_publication_date(follow):
    steps = tuple(
        Publish(None, "2024-02-29T12:30:00", date, (), "1", (), frozenset())
        for date in DATES
    )
    follow(History(steps, (Cut(),) * len(steps)), RECORDS)


@histories_of(of_all, examples=FEW)
def test_other_breakdowns(app, client, names, aggregate, check, history):
    ours = app.config["COMMUNITY_STATS_SUBCOUNTS"]
    others = {
        "subjects": {**ours["subjects"], "show": "all"},
        "resource_types": {**ours["resource_types"], "show": "top"},
        "agents": None,
        "robots": {"event": "is_robot"},
        "rights": ours["rights"],
        "referrers": {"event": "referrer"},
    }
    extension = app.extensions["invenio-stats-dashboard"]
    stored = _stored(client, names, aggregate, history)
    for registry, count_robots in ((ours, False), (others, True), (others, False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(app.config, COUNT_ROBOTS, count_robots)
            patch.setitem(app.config, "COMMUNITY_STATS_SUBCOUNTS", registry)
            patch.setitem(vars(extension), "subcounts", load(registry))
            aggregate(Cut(WHOLE), reference.FAMILIES)
            check(stored, reference.FAMILIES)


@histories_of(of_all, examples=FEW)
def test_a_rebuild_repairs_manual_changes_of_documents(
    client, names, aggregate, check, history
):
    stored = _stored(client, names, aggregate, history)
    aggregate(Cut(WHOLE), reference.FAMILIES)
    found = aggregates_in(client, names)
    for place, family in enumerate(reference.FAMILIES):
        alias = f"{names.prefix}stats-community-{family}"
        if place % 2:
            client.indices.delete(index=f"{alias}-*", ignore=[404])
            continue
        if not client.indices.exists(index=f"{alias}-from-0001"):
            continue  # a document would create an index that is not of this package
        lines = []
        for community, day in list(found[family])[::2]:
            where = {"_index": f"{alias}-from-0001", "_id": f"{community}:{day}"}
            lines.append({"delete": where})
        name = "snapshot_date" if "snapshot" in family else "period_start"
        where = {"_index": f"{alias}-from-0001", "_id": "stranger:2024-02-28"}
        lines.append({"create": where})
        lines.append({"community_id": "stranger", name: "2024-02-28"})
        client.bulk(body=lines, refresh=True)
    aggregate(Cut(WHOLE, rebuild=True), reference.FAMILIES)
    check(stored, reference.FAMILIES)


def _stored(client, names, aggregate, history):
    """Store the documents at the end of a history, and return them."""
    remove_statistics(client, names)
    stored = history.end()
    StoredInstance(client, names).put(stored)
    aggregate.restricted = stored.restricted
    return stored


@histories_of(of_all, examples=FEW)
def test_public_documents_are_the_same_whatever_hidden_records_contain(
    client, names, aggregate, history
):
    """If no value can change a document, no document can reveal a value.

    This includes comparing documents of any days and communities with each other.
    """
    stored = _stored(client, names, aggregate, history)
    hidden = {
        recid
        for recid, facts in stored.facts.items()
        if facts["access"] in ("hidden", "closed")
    }

    def public():
        aggregate(Cut(WHOLE, rebuild=True), reference.FAMILIES)
        found = aggregates_in(client, names)
        return {
            (family, *place): document
            for family, documents in found.items()
            for place, document in documents.items()
            if place[0] not in stored.restricted
        }

    before = public()
    other = replace(
        stored,
        facts=_described_otherwise(stored.facts, hidden),
        views=_described_otherwise(stored.views, hidden),
        downloads=_described_otherwise(stored.downloads, hidden),
    )
    StoredInstance(client, names).put(other)
    assert public() == before


def _described_otherwise(documents, recids):
    """Return documents in which some records have other metadata."""
    found = {}
    for id, source in documents.items():
        if source["recid"] in recids and "subcounts" in source:
            values = {
                key: ["something else", *values]
                for key, values in source["subcounts"].items()
            }
            source = {**source, "subcounts": values}
        found[id] = source
    return found


def test_helper_does_steps(follow, aggregate):
    fields = {"via_api": False, "is_robot": False, "visitor_id": "ann"}
    clicks = tuple((f"{day}T12:30:00", tuple(fields.items())) for day in DAYS)
    use = Use("view", None, clicks, ("README", 0), False)
    follow(History((use, Rest()), (Cut(SHARED), Cut())), USAGE)
    assert aggregate.helped
