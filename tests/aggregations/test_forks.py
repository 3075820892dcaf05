# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Workers that are forked from a process with all imports can count."""

import subprocess
import sys
from pathlib import Path

_IMPORT_FORK_AND_COUNT = """
import importlib, os, pkgutil
import invenio_stats_dashboard

for module in pkgutil.walk_packages(
    invenio_stats_dashboard.__path__, "invenio_stats_dashboard."
):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
if os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
import polars as pl

frame = pl.DataFrame({"day": [2, 1, 2], "number": [1, 2, 3]})
found = frame.sort("day").group_by("day").agg(pl.col("number").sum()).sort("day")
os._exit(0 if found["number"].to_list() == [2, 4] else 1)
"""


def test_a_worker_that_is_forked_after_all_imports_can_count():
    # Polars starts threads, which a forked process lacks: it would wait forever
    done = subprocess.run(
        [
            "timeout",
            "120",
            sys.executable,
            "-W",
            "ignore",
            "-c",
            _IMPORT_FORK_AND_COUNT,
        ],
        cwd=Path(__file__).parent.parent.parent,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
