# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""All aggregates are what the reference counts, on generated histories.

Runs come at random points, and some do only a part of the work or fail on their way.
After each run that has done all, the documents are those of the reference; at the end a
rebuild finds nothing to change.
"""

import os
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings

from ..conftest import remove_statistics
from ..helpers import reference
from ..helpers.histories import (
    BROKEN,
    NONE,
    PIECE,
    WHOLE,
    histories,
    of_all,
    of_records,
    of_usage,
)
from ..helpers.stored import StoredInstance, assert_equal_to_reference

EXAMPLES = int(os.environ.get("HISTORIES", 12))
"""How many histories each test takes; more of them find rarer faults."""

TOP = 2
"""Cells of a ``top`` breakdown, few enough to be too few."""

RECORDS = tuple(f for f in reference.FAMILIES if f.startswith("records"))
USAGE = tuple(f for f in reference.FAMILIES if f.startswith("usage"))


class RunFailedError(Exception):
    """A run is made to fail."""


@pytest.fixture()
def aggregate(app, monkeypatch):
    """Return a function that makes one run of a kind."""
    monkeypatch.setitem(app.config, "COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT", TOP)
    service = app.extensions["invenio-stats-dashboard"].community_stats_service

    def run(kind, families, **arguments):
        limit = 1 if kind == PIECE else None
        monkeypatch.setitem(app.config, "COMMUNITY_STATS_CATCHUP_INTERVAL", limit)
        progress = _fail if kind == BROKEN else None
        with suppress(RunFailedError):
            return service.aggregate(families=families, progress=progress, **arguments)

    return run


def _fail(_):
    raise RunFailedError


@pytest.fixture()
def follow(app, client, names, aggregate):
    """Return a function that follows a history with runs and checks the documents."""
    registry = app.config["COMMUNITY_STATS_SUBCOUNTS"]

    def check(stored, families):
        today = datetime.now(UTC).date().isoformat()
        assert_equal_to_reference(client, names, stored, registry, today, TOP, families)

    def follow(history, families):
        remove_statistics(client, names)
        instance = StoredInstance(client, names)
        for _, stored, kind in history.moments():
            instance.put(stored)
            if kind != NONE:
                aggregate(kind, families)
            if kind == WHOLE:
                check(stored, families)
        for rebuild in (False, True):
            report = aggregate(WHOLE, families, rebuild=rebuild)
            assert not _written(report), f"rebuild={rebuild}: {report.families}"
        check(stored, families)

    return follow


def _written(report):
    """Return the families of which something was written."""
    return [
        family
        for family, written in report.families.items()
        if written.created or written.changed or written.deleted
    ]


def histories_of(kinds):
    """Return the decorators of a test that takes histories."""

    def decorate(test):
        return settings(
            max_examples=EXAMPLES,
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


@histories_of(of_records)
def test_records(follow, history):
    follow(history, RECORDS)


@histories_of(of_all)
def test_all_families(follow, history):
    follow(history, reference.FAMILIES)
