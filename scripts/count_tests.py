# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Count tests, assertions and lines at two commits, by folder.

Tests are test functions, each once however many parameters it has. Assertions are
``assert`` statements and ``pytest.raises``. Lines of code have neither docstrings nor
comments nor blank lines.

    python -m scripts.count_tests BEFORE [AFTER]
"""

import ast
import io
import subprocess
import sys
import tarfile
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath

_LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
_NOTHING = _LAYOUT | {tokenize.COMMENT, tokenize.ENDMARKER}


def sources(commit: str, folder: str) -> Iterator[tuple[PurePath, str]]:
    """Return path and text of each Python file of a folder at a commit."""
    archive = subprocess.run(
        ["git", "archive", commit, folder], check=True, capture_output=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        for member in files:
            if member.name.endswith(".py") and (file := files.extractfile(member)):
                yield PurePath(member.name), file.read().decode()


def tests(commit: str) -> dict[str, Counter[str]]:
    """Return folder -> number of tests and of assertions."""
    found: dict[str, Counter[str]] = {}
    for path, text in sources(commit, "tests"):
        folder = str(path.parent) if len(path.parts) < 4 else "/".join(path.parts[:3])
        counts = found.setdefault(folder, Counter())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                counts["tests"] += 1
            elif _is_assertion(node):
                counts["assertions"] += 1
    return found


def _is_assertion(node: ast.AST) -> bool:
    return isinstance(node, ast.Assert) or (
        isinstance(node, ast.Attribute) and node.attr == "raises"
    )


def lines(commit: str) -> Counter[str]:
    """Return how many lines of the package are code, and how many are docstrings."""
    counts: Counter[str] = Counter()
    for _, text in sources(commit, "invenio_stats_dashboard"):
        documentation = _docstrings(text)
        code: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type not in _NOTHING:
                code.update(range(token.start[0], token.end[0] + 1))
        counts["docstrings"] += len(documentation)
        counts["code"] += len(code - documentation)
    return counts


def _docstrings(text: str) -> set[int]:
    """Return the numbers of the lines of docstrings, also those of attributes."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            found.update(range(node.lineno, (node.end_lineno or 0) + 1))
    return found


def main(arguments: list[str]) -> int:
    """Print the two tables."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__)
        return 2
    commits = [*arguments, "HEAD"][:2]
    before, after = map(tests, commits)
    print("| folder | tests | after | assertions | after |\n|---|---|---|---|---|")
    total: Counter[str] = Counter()
    for folder in sorted({*before, *after}):
        old, new = before.get(folder, Counter()), after.get(folder, Counter())
        row = [old["tests"], new["tests"], old["assertions"], new["assertions"]]
        total.update({str(i): n for i, n in enumerate(row)})
        if any(row):
            print(f"| {folder} | " + " | ".join(map(str, row)) + " |")
    print("| all | " + " | ".join(str(total[str(i)]) for i in range(4)) + " |\n")
    print("| lines of the package | before | after |\n|---|---|---|")
    old, new = map(lines, commits)
    for kind in ("code", "docstrings"):
        print(f"| {kind} | {old[kind]} | {new[kind]} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
