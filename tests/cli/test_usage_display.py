# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the display of the migration's progress, in a terminal and in a log."""

import pytest

from invenio_stats_dashboard.cli import usage_display as display
from invenio_stats_dashboard.migration.report import MonthProgress

COPYING = MonthProgress(
    "view", "2026-03", "copying", 120_000, 400_000, 8123.4, 280_000, None, 34.2
)
WAITING = MonthProgress(
    "download", "2026-03", "copying", 1, 2, 0.0, 1, "The heap of node a is at 91 %"
)
DONE = MonthProgress("download", "2026-02", "done", 5, 5)


def shown(updates, width=140, height=40):
    """Return the lines that a terminal of a size shows."""
    lines = {(u.month, u.event_type): u for u in updates}
    return display._lines(lines, width, height).plain.splitlines()


def test_a_line_has_bar_events_rate_backlog_state_and_time_left():
    (line,) = shown([COPYING])
    for part in (
        "2026-03",
        "view",
        "██████░░░░░░░░░░░░░░",
        "30 %",
        "120,000/400,000",
        "8,123/s",
        "backlog 280,000",
        "copying",
        "ETA 34 s",
    ):
        assert part in line


def test_the_reason_stands_below_the_month_that_waits():
    lines = shown([COPYING, WAITING, DONE])
    assert lines[2].strip() == "waiting: The heap of node a is at 91 %"
    assert "download" in lines[1] and "2026-02" in lines[3]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_month_is_one_line_that_fits(width):
    for line in shown([COPYING, DONE], width):
        assert len(line) <= width
        assert "█" in line and line.split()[0].startswith("2026-")


def test_the_newest_months_fit_the_height():
    many = [MonthProgress("view", f"20{n:02d}-01", "done", 1, 1) for n in range(60)]
    lines = shown(many, height=24)
    assert len(lines) <= 24 and lines[-1].startswith("2059-01")


def test_a_full_bar_is_a_finished_month_only():
    almost = MonthProgress("view", "2026-03", "copying", 399_999, 400_000)
    assert "░" in shown([almost])[0] and "░" not in shown([DONE])[0]


def test_without_a_terminal_a_plain_line_comes_now_and_then(capsys):
    with display.progress() as show:
        for copied in range(0, 400_000, 5_000):
            show(MonthProgress("view", "2026-03", "copying", copied, 400_000, 9_000.0))
        show(WAITING)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "2026-03 view: copying, 0 of 400,000, 9,000 events/s",
        "2026-03 download: copying, 1 of 2, waiting: The heap of node a is at 91 %",
    ]
