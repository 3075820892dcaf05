# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure how long tests take and how much processor time they use.

The processor time of a test is that of its process and of all its descendants, which
includes fixtures that the test is the first to use, but no services. ``--junit-xml``
reports it as the property ``cpu`` of each test.
"""

import os
from collections import defaultdict
from pathlib import Path

import pytest

SLOWEST = 40
"""Number of tests in the summary."""

LIMIT = 30.0
"""Seconds of processor time above which a test must be marked ``slow``."""

_CPU, _SLOW = "cpu", "slow"


class Costs:
    """Measures tests and shows the results at the end."""

    def __init__(self) -> None:
        """Start without tests."""
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = {}
        self.slow: set[str] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        """Store the time at which a test starts."""
        item.stash[_BEGAN] = _processor_time()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Add the time that the test has used to its last report."""
        report = yield
        if report.when == "teardown":
            used = round(_processor_time() - item.stash[_BEGAN], 2)
            report.user_properties.append((_CPU, used))
            if item.get_closest_marker(_SLOW):
                report.user_properties.append((_SLOW, 1))
        return report

    def pytest_runtest_logreport(self, report):
        """Store the values of a report; of several processes, the first one does."""
        self.wall[report.nodeid] += report.duration
        if report.when == "teardown":
            properties = dict(report.user_properties)
            self.cpu[report.nodeid] = properties.get(_CPU, 0.0)
            if _SLOW in properties:
                self.slow.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter):
        """Show the slowest tests, and those that use too much time for their tier."""
        if not self.cpu:
            return
        terminalreporter.section(f"the {SLOWEST} slowest tests")
        slowest = sorted(self.wall, key=self.wall.__getitem__, reverse=True)
        for test in slowest[:SLOWEST]:
            terminalreporter.line(
                f"{self.wall[test]:7.1f} s {self.cpu.get(test, 0.0):7.1f} s CPU  {test}"
            )
        unmarked = [t for t in self.cpu if self.cpu[t] > LIMIT and t not in self.slow]
        for test in sorted(unmarked):
            terminalreporter.line(
                f"warning: {test} uses {self.cpu[test]:.0f} s of processor time, more "
                f"than {LIMIT:.0f}: make it cheaper, or mark it with pytest.mark.slow",
                yellow=True,
            )


_BEGAN = pytest.StashKey[float]()


def _processor_time() -> float:
    """Return the processor time, in seconds, of this process and its descendants."""
    return _ticks(os.getpid()) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    process = Path(f"/proc/{pid}")
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        lists = [path.read_text() for path in process.glob("task/*/children")]
    except OSError:  # it has just ended
        return 0
    below = sum(_ticks(int(child)) for found in lists for child in found.split())
    return sum(map(int, fields[11:15])) + below
