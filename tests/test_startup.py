# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A process imports Polars and the writer of workbooks only when it needs them."""

import sys
from importlib import import_module
from importlib.metadata import distribution

import pytest

from invenio_stats_dashboard.search.names import FAMILIES

from .helpers import commands
from .helpers.http import Http
from .helpers.zygote import Zygote

HEAVY = ("polars", "xlsxwriter")

THAT_COUNT_NOTHING = [
    ("status",),
    ("usage-events", "status"),
    ("generate-community-events",),
    ("migrate-events", "--dry-run"),
    ("read", "--community", "global", "--family", FAMILIES[0]),
]

QUESTIONS = [
    "/stats-dashboard/global?range=30d",
    "/stats-dashboard/global?range=30d&breakdown=countries&format=csv",
    "/stats-dashboard/global/records?range=30d",
]


@pytest.fixture(scope="module")
def started(app, where):
    """Return a process that has built the application and collected no tests."""
    process = Zygote.started(where)
    yield process
    process.end()


def test_entry_points_import_nothing_that_counts(started):
    points, before, after = started.run(load_all_entry_points)
    assert points > 8
    assert before == []
    assert after == ["polars"]


@pytest.mark.parametrize("words", THAT_COUNT_NOTHING, ids=" ".join)
def test_commands_that_count_nothing_do_not_import_polars(fresh, started, words):
    started.run(ran, ("generate-community-events",))  # the migration requires it
    before, outcome, after = started.run(ran, words)
    assert outcome.exit_code in (0, 1), outcome.err
    assert outcome.out
    assert (before, after) == ([], [])


@pytest.mark.parametrize("path", QUESTIONS)
def test_requests_for_numbers_do_not_import_polars(fresh, started, path):
    before, status, after = started.run(requested, path)
    assert status == 200
    assert (before, after) == ([], [])


def test_the_first_aggregation_imports_polars(fresh, started):
    before, outcome, after = started.run(ran, ("aggregate",))
    assert outcome.exit_code == 0, outcome.err
    assert (before, after) == ([], ["polars"])


def load_all_entry_points(app):
    """Load all entry points of this package, then what counts.

    Returns:
        The number of entry points, what was imported after them, and what afterwards.
    """
    points = distribution("invenio-stats-dashboard").entry_points
    for point in points:
        point.load()
    before = heavy()
    import_module("invenio_stats_dashboard.aggregations.usage.aggregator")
    import_module("invenio_stats_dashboard.services.aggregation")
    return len(points), before, heavy()


def ran(app, words):
    """Run a command; return what was imported before, its outcome, and after."""
    before = heavy()
    return before, commands.run(app, *words), heavy()


def requested(app, path):
    """Send a request; return what was imported before, its status, and after."""
    before = heavy()
    return before, Http(app).get(path).status_code, heavy()


def heavy():
    """Return which of the modules are imported in this process."""
    return [name for name in HEAVY if name in sys.modules]
