#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure what the package costs at the start of a process: processor time and memory.

Pairs of processes build the application of one instance, one process with the package
and one without its entry points, as if it were not installed:

    eval "$(scripts/services env)"
    python benchmarks/startup.py [--pairs N] [--json FILE]

The two take turns, in changing order. Processor time is that of the whole process, user
and system, from its start. Memory is the resident set after the application was built
and garbage was collected. Both are read from the kernel, so other running programs
disturb them less than a clock. The benchmark prints the median of the differences, with
the smallest and the largest one. It removes everything at the end.
"""

import argparse
import gc
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

PACKAGE = "invenio_stats_dashboard"
HEAVY = ("polars", "xlsxwriter", "rich", "msgspec")
"""Third-party modules of this package; the imported ones are printed."""


@dataclass(frozen=True)
class Cost:
    """The cost of one process.

    Attributes:
        cpu: seconds of processor time, user and system.
        memory: resident megabytes.
        modules: the imported ones of :data:`HEAVY`.
    """

    cpu: float
    memory: float
    modules: list[str]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10, help="default: 10")
    parser.add_argument("--json", type=Path, help="write all readings to this file")
    parser.add_argument("--child", choices=("with", "without"), help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure(json.loads(options.place), options.child == "with")
        return
    readings = compare(options.pairs)
    show(readings)
    if options.json:
        options.json.write_text(
            json.dumps({k: [asdict(c) for c in v] for k, v in readings.items()})
        )


def compare(pairs: int) -> dict[str, list[Cost]]:
    """Measure pairs of processes on a separate instance."""
    from tests.helpers import instance

    readings: dict[str, list[Cost]] = {"with": [], "without": []}
    with instance.place() as place:
        where = json.dumps(asdict(place))
        for kind in readings:
            child(kind, where)  # puts templates, compiles modules, fills caches
        for number in range(pairs):
            kinds = sorted(readings, reverse=bool(number % 2))
            for kind in kinds:
                readings[kind].append(child(kind, where))
    return readings


def child(kind: str, where: str) -> Cost:
    """Build the application in a separate process, and return the cost."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--child", kind, "--place", where],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def measure(where: dict[str, str], with_package: bool) -> None:
    """Build the application, and print what this process has used."""
    leave_out(PACKAGE if not with_package else "no-such-package")
    from invenio_app.factory import create_app

    from tests.helpers import instance

    place = instance.Place(**where)
    os.environ["INVENIO_INSTANCE_PATH"] = place.folder
    settings = instance.config(place)
    for name in settings:
        os.environ.pop(f"INVENIO_{name}", None)
    app = create_app(**settings)
    assert ("invenio-stats-dashboard" in app.extensions) == with_package
    gc.collect()
    times = os.times()
    modules = [name for name in HEAVY if name in sys.modules]
    print(json.dumps(asdict(Cost(times.user + times.system, resident(), modules))))


def leave_out(name: str) -> None:
    """Hide a distribution from readers of entry points; both kinds of process do it."""
    found = importlib.metadata.Distribution.discover

    def discover(**context: str) -> Iterator[importlib.metadata.Distribution]:
        return (d for d in found(**context) if d._normalized_name != name)

    importlib.metadata.Distribution.discover = discover


def resident() -> float:
    """Return the resident memory in megabytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("The kernel does not report the memory of this process.")


def show(readings: dict[str, list[Cost]]) -> None:
    """Print medians and the differences of the pairs."""
    for field, unit in (("cpu", "s"), ("memory", "MB")):
        values = {
            kind: [getattr(cost, field) for cost in costs]
            for kind, costs in readings.items()
        }
        differences = [
            a - b for a, b in zip(values["with"], values["without"], strict=True)
        ]
        print(
            f"{field:<7} with {statistics.median(values['with']):7.2f} {unit}"
            f"   without {statistics.median(values['without']):7.2f} {unit}"
            f"   difference {statistics.median(differences):+6.2f} {unit}"
            f"   from {min(differences):+.2f} to {max(differences):+.2f}"
        )
    for kind, costs in readings.items():
        print(f"imported {kind}: {', '.join(costs[-1].modules) or 'none of these'}")


if __name__ == "__main__":
    main()
