# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Progress of tests that run in several processes.

A run that is stopped half-way, for example by continuous integration, has then shown
which files took how long, and every failure. Tests in one process have pytest's own
progress.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

import pytest


@dataclass
class _File:
    """The tests of a file that one process has run so far."""

    name: str = ""
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)


class Progress:
    """Prints a line for each file when it is done, and each failure at once."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin without tests."""
        self._config = config
        self._began = time.monotonic()
        self._total = 0
        self._done = 0
        self._files: dict[str, _File] = {}

    def pytest_xdist_node_collection_finished(self, ids):
        """Remember how many tests there are; all processes collect the same."""
        self._total = len(ids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report):
        """Print no letter for a test."""
        if report.when == "call" or not report.passed:
            outcome = report.outcome
            return ("error" if _outside(report) else outcome), "", ""

    def pytest_runtest_logreport(self, report):
        """Add a test to its file; print the file that came before it, and failures."""
        worker = getattr(report, "worker_id", "")
        name = report.nodeid.partition("::")[0]
        file = self._files.setdefault(worker, _File(name))
        if file.name != name:
            self._print(worker, file)
            file = self._files[worker] = _File(name)
        file.seconds += report.duration
        if report.when == "call" or not report.passed:
            file.outcomes["error" if _outside(report) else report.outcome] += 1
        if report.when == "teardown":
            self._done += 1
        if report.failed:
            self._write(f"{self._place()}  FAILED {report.nodeid} ({report.when})")
            self._write(report.longreprtext)

    def pytest_sessionfinish(self):
        """Print the last file of each process."""
        for worker, file in sorted(self._files.items()):
            self._print(worker, file)
        self._files.clear()

    def _print(self, worker: str, file: _File) -> None:
        outcomes = ", ".join(f"{n} {kind}" for kind, n in sorted(file.outcomes.items()))
        self._write(
            f"{self._place()}  {file.seconds:6.1f} s  {worker}  {file.name}  {outcomes}"
        )

    def _place(self) -> str:
        elapsed = int(time.monotonic() - self._began)
        return f"{elapsed // 60:3d}:{elapsed % 60:02d}  {self._done:4d}/{self._total}"

    def _write(self, line: str) -> None:
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        reporter.write_line(line)


def _outside(report: pytest.TestReport) -> bool:
    """Return whether a test failed before or after its own code."""
    return report.failed and report.when != "call"
