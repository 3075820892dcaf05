# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The status fits a terminal; without a terminal, its lines are not wrapped."""

from dataclasses import replace

import click
import pytest
from rich.console import Console

from invenio_stats_dashboard.aggregations.usage.robots import RobotEvents
from invenio_stats_dashboard.cli import status_display
from invenio_stats_dashboard.search.names import FAMILIES
from invenio_stats_dashboard.services.aggregation_status import FamilyStatus
from invenio_stats_dashboard.services.status import (
    CommunityStatus,
    RobotStatus,
    StatsStatus,
)

LONG = "A sentence that says what is wrong, why, and what to do about it. " * 4


def community(id, slug, **changes):
    """Return a community with documents in all families."""
    days = {"first_day": "2024-01-01", "last_day": "2026-03-09"}
    return CommunityStatus(
        id, slug, tuple(FamilyStatus(f, 800_123, **days, **changes) for f in FAMILIES)
    )


STATUS = StatsStatus(
    now="2026-03-10T12:00:00+00:00",
    data_as_of="2026-03-10T11:00:00+00:00",
    last_run={"updated_at": "2026-03-10T11:00:00+00:00", "error": LONG},
    communities=(
        community("global", None),
        community("a", "a-community", percent=40.0, redo_from="2025-01-01"),
        community("b", None, percent=None),
    ),
    communities_total=7,
    problems=(LONG, "Another."),
)


def shown(status, capsys, monkeypatch, width=None):
    """Return the lines of a status, in a terminal of a width or without one."""
    out = Console(width=width, force_terminal=width is not None)
    monkeypatch.setattr(status_display, "console", lambda: out)
    status_display.show(status)
    return click.unstyle(capsys.readouterr().out).splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_a_terminal(width, capsys, monkeypatch):
    lines = shown(STATUS, capsys, monkeypatch, width)
    assert max(map(len, lines)) <= width
    assert lines[0] == "Health: 2 problems need attention."
    assert " ".join(" ".join(lines).split()).count(LONG.strip()) == 2


def test_without_a_terminal_a_sentence_is_a_line(capsys, monkeypatch):
    lines = shown(STATUS, capsys, monkeypatch)
    assert f"  1. {LONG}" in lines


def test_a_community_is_as_complete_as_the_least_complete_family(capsys, monkeypatch):
    lines = shown(STATUS, capsys, monkeypatch)
    (one,) = [line for line in lines if line.startswith("a-community")]
    assert "6,400,984  ████░░░░░░ 40 %, from 2025-01-01" in one
    (other,) = [line for line in lines if line.startswith("b ")]
    assert "to be counted again" in other
    assert lines[-1].startswith("5 more communities")


def test_a_disabled_extension_is_reported(capsys, monkeypatch):
    off = replace(STATUS, enabled=False, problems=())
    assert "COMMUNITY_STATS_ENABLED" in shown(off, capsys, monkeypatch)[0]


ROBOTS = {"view": RobotEvents(0, 1234, 1200), "download": RobotEvents(0, 4, 0)}
COUNTED = {"view": RobotEvents(1200, 34, 1200), "download": RobotEvents(0, 4, 0)}


@pytest.mark.parametrize(
    ("robots", "pending", "text"),
    [
        (RobotStatus(False, {}), 0, "no events of robots are stored"),
        (
            RobotStatus(False, None),
            0,
            "unknown, because an index of usage events cannot be read",
        ),
        (
            RobotStatus(False, ROBOTS),
            0,
            "1,234 views and 4 downloads left out; the record pages count 1,200 views "
            "and 0 downloads of them",
        ),
        (
            RobotStatus(False, {"view": RobotEvents(0, 1, 1)}),
            0,
            "1 view left out; the record pages count 1 view of them",
        ),
        (
            RobotStatus(True, COUNTED),
            0,
            "1,200 views and 0 downloads counted, 34 views and 4 downloads left out, as "
            "on the record pages",
        ),
        (
            RobotStatus(True, COUNTED),
            3,
            "1,200 views and 0 downloads counted, 34 views and 4 downloads left out, as "
            "on the record pages; pending days still have their earlier numbers",
        ),
    ],
)
def test_robots_are_counted_or_left_out(robots, pending, text, capsys, monkeypatch):
    found = replace(STATUS, robots=robots, usage_days=9, usage_days_left=pending)
    lines = shown(found, capsys, monkeypatch)
    assert [line for line in lines if line.startswith("Robots ")] == [
        f"Robots            {text}"
    ]


def test_pending_days_that_are_unknown_are_not_shown_as_counted(capsys, monkeypatch):
    found = replace(STATUS, usage_days=9, usage_days_left=None)
    lines = shown(found, capsys, monkeypatch)
    assert [line for line in lines if line.startswith("Usage ")] == [
        "Usage             9 days with events, an unknown number pending, because an "
        "index cannot be read"
    ]


def test_a_correction_of_records_shows_its_days(capsys):
    entry = {
        "scope": "records",
        "family": "records-delta-added",
        "day": "2026-03-01",
        "last_day": "2026-03-05",
        "days": 3,
        "why": "4 record facts have changed",
        "updated_at": "2026-03-10T04:37:00+00:00",
        "communities": ["a"],
        "more_communities": 0,
    }
    status_display.show_corrections([entry])
    assert capsys.readouterr().out == (
        "2026-03-10 04:37 UTC  records of 2026-03-01 to 2026-03-05: "
        "4 record facts have changed (1 community)\n"
    )
