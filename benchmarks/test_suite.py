#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Show how long the tests take, in tables of one run or of two runs to compare.

    ./run-tests.sh                      # leaves .tests/junit.xml
    python benchmarks/test_suite.py .tests/junit.xml
    python benchmarks/test_suite.py --before before.xml .tests/junit.xml

It prints Markdown: seconds and processor seconds of each folder, and the slowest tests.
Seconds are those of set-up, test and tear-down, added up over the processes that ran
tests in parallel. Processor seconds are those of these processes and their descendants,
without the services; files of runs that did not measure them have none.
"""

import argparse
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SLOWEST = 100


@dataclass(frozen=True)
class Test:
    """The result of one test.

    Attributes:
        name: module and name.
        folder: folder of the module, or the module itself outside a folder.
        seconds: duration.
        cpu: processor seconds; None if they were not measured.
    """

    name: str
    folder: str
    seconds: float
    cpu: float | None


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="JUnit file of the run, from pytest")
    parser.add_argument("--before", type=Path, help="file of an earlier run")
    parser.add_argument("--slowest", type=int, default=SLOWEST)
    options = parser.parse_args()
    after = list(read(options.file))
    before = list(read(options.before)) if options.before else None
    print("\n".join(by_folder(after, before)))
    print()
    print("\n".join(slowest(after, before, options.slowest)))


def read(file: Path) -> Iterable[Test]:
    """Yield the tests of a file."""
    for case in ElementTree.parse(file).getroot().iter("testcase"):
        module = case.get("classname", "")
        # a test that fails in its tear-down has two entries
        seconds = float(case.get("time", 0))
        found = case.find("properties/property[@name='cpu']")
        cpu = float(found.get("value", 0)) if found is not None else None
        parts = module.removeprefix("tests.").split(".")
        folder = "/".join(parts[:-1]) or parts[-1]
        yield Test(
            f"{module.removeprefix('tests.')}::{case.get('name')}", folder, seconds, cpu
        )


def by_folder(after: list[Test], before: list[Test] | None) -> list[str]:
    """Return the lines of the table of folders."""
    folders = sorted({test.folder for test in [*after, *(before or [])]})
    lines = ["| folder | tests | seconds | processor seconds |"]
    if before is not None:
        lines = [
            "| folder | tests before | after | seconds before | after "
            "| processor seconds before | after |"
        ]
    lines.append("|---" + "|---:" * (lines[0].count("|") - 2) + "|")
    for folder in [*folders, None]:
        sums = [total(tests, folder) for tests in (before, after) if tests is not None]
        cells = [cell for column in zip(*sums, strict=True) for cell in column]
        lines.append(f"| {folder or '**all**'} | {' | '.join(cells)} |")
    return lines


def total(tests: list[Test], folder: str | None) -> tuple[str, str, str]:
    """Return number, seconds and processor seconds of a folder's tests, or of all."""
    chosen = [test for test in tests if folder in (None, test.folder)]
    known = [test.cpu for test in chosen if test.cpu is not None]
    return (
        str(len(chosen)),
        f"{sum(test.seconds for test in chosen):.0f}",
        f"{sum(known):.0f}" if known else "",
    )


def slowest(after: list[Test], before: list[Test] | None, number: int) -> list[str]:
    """Return the lines of the table of the slowest tests, with their earlier times."""
    took: dict[str, float] = defaultdict(float)
    for test in before or []:
        took[test.name] += test.seconds
    lines = [
        "| test | seconds | processor seconds | seconds before |",
        "|---|---:|---:|---:|",
    ]
    for test in sorted(after, key=lambda t: t.seconds, reverse=True)[:number]:
        cpu = "" if test.cpu is None else f"{test.cpu:.1f}"
        earlier = f"{took[test.name]:.1f}" if test.name in took else ""
        name = test.name.replace("|", "\\|")
        lines.append(f"| `{name}` | {test.seconds:.1f} | {cpu} | {earlier} |")
    return lines


if __name__ == "__main__":
    main()
