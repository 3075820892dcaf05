# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Show the share of each folder's statements that the tests have run.

``./run-tests.sh --coverage`` calls it after the tests. It fails if the share of the
package, or of a folder with its own minimum, is too small.
"""

import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from coverage import Coverage

PACKAGE = "invenio_stats_dashboard"

LEAST = {
    PACKAGE: 90.0,
    f"{PACKAGE}/usage_events": 95.0,
    f"{PACKAGE}/aggregations": 95.0,
}
"""Folder -> required percentage of the statements in it and in all folders below."""

GAPS: dict[str, str] = {}
"""File -> why its statements are not counted."""


def main() -> int:
    """Print the shares; return 1 if one is too small."""
    found = statements()
    whole: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    own: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file, (run, all_) in found.items():
        folder = str(Path(file).parent)
        own[folder] = [own[folder][0] + run, own[folder][1] + all_]
        for above in (folder, *map(str, Path(folder).parents)):
            whole[above] = [whole[above][0] + run, whole[above][1] + all_]
    for folder, (run, all_) in sorted(own.items()):
        print(f"{folder:<55} {100 * run / all_:6.1f} % of {all_:5}")
    for file, why in GAPS.items():
        print(f"not counted: {file}: {why}")
    too_little = 0
    for folder, least in LEAST.items():
        run, all_ = whole[folder]
        share = 100 * run / all_
        enough = share >= least
        too_little += not enough
        print(
            f"{folder} and all below: {share:.1f} % of {all_}, "
            f"{'at least' if enough else 'LESS THAN'} {least:.0f} %"
        )
    return 1 if too_little else 0


def statements() -> dict[str, tuple[int, int]]:
    """Return for each file the number of run statements and of all statements."""
    return {
        file: (run, all_)
        for file, run, all_ in _measured()
        if all_ and file not in GAPS
    }


def _measured() -> Iterator[tuple[str, int, int]]:
    coverage = Coverage()
    coverage.load()
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        coverage.json_report(outfile=file.name)
        report = json.loads(Path(file.name).read_text())
    for name, found in report["files"].items():
        summary = found["summary"]
        yield name, summary["covered_lines"], summary["num_statements"]


if __name__ == "__main__":
    sys.exit(main())
