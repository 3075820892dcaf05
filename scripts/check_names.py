# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Report names of files, classes and functions that occur more than once.

If a name describes the purpose of a module or class, it is needed only once. The twin
folders ``aggregations/usage`` and ``aggregations/records`` do the same for different
data, and may use the same names.

    python -m scripts.check_names
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "invenio_stats_dashboard"

TWINS = {"usage", "records"}

ALLOWED_FILES = {
    *("__init__.py", "__main__.py"),
    *("config.py", "errors.py", "status.py", "documents.py", "report.py", "store.py"),
    "blueprint.py",  # of the REST API, and of the pages
    "database_indexes.py",  # the indexes, and the commands for them
    "health.py",  # of the cluster, and of the statistics
    "labels.py",  # reading them, and adding them to a response
    "runner.py",  # of a migration, and of an aggregation
}
"""Files that may share a name; the folder distinguishes them."""

TOO_GENERAL = {"add", "check", "of", "read"}
"""Names of functions that mean nothing without their module."""

_Found = dict[str, list[Path]]


def repeated(paths: Iterable[Path]) -> tuple[_Found, _Found, _Found]:
    """Return repeated file names, repeated class names, and too general functions."""
    files, classes, functions = (defaultdict(list) for _ in range(3))
    for path in paths:
        files[path.name].append(path)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(path)
            elif isinstance(node, ast.FunctionDef) and node.name in TOO_GENERAL:
                functions[node.name].append(path)
    return (
        {
            name: found
            for name, found in files.items()
            if len(_apart(found)) > 1 and name not in ALLOWED_FILES
        },
        {name: found for name, found in classes.items() if len(found) > 1},
        dict(functions),
    )


def _apart(paths: list[Path]) -> set[Path]:
    """Return the folders of files; twin folders count as one."""
    folders = {path.parent for path in paths}
    return {f.parent if f.name in TWINS else f for f in folders}


def main() -> int:
    """Print what was found; return 1 if anything was found."""
    found = repeated(sorted(PACKAGE.rglob("*.py")))
    kinds = ("file", "class", "function with a name that is too general:")
    for kind, names in zip(kinds, found, strict=True):
        for name, paths in sorted(names.items()):
            places = ", ".join(str(path.relative_to(PACKAGE)) for path in paths)
            print(f"{kind} {name}: {places}")
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
