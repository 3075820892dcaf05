# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Report words that make the project's English hard to read.

The script reads the documentation, docstrings (which include the help of commands),
texts that the program prints, and the English message catalogues.

    python -m scripts.check_words [PATH ...]
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "invenio_stats_dashboard"
CATALOGUES = PACKAGE / "assets/semantic-ui/translations/invenio_stats_dashboard"

WORDS = {
    r"tells?|told|telling": "report, return, show",
    r"whoever|whatever|whichever": "name the actor or the thing",
    r"kept|keeps|keeping": "stored, retained, remains",
    r"(?:is|are|was|were) had|had from": "is computed from",
    r"mends?|mended|mending": "fix",
    r"in the way": "blocks",
    r"needs? a person": "needs attention",
    r"maybe": "may, or nothing",
    r"by (?:itself|themselves|oneself)": "automatically, alone, or nothing",
    r"for good": "permanently",
    r"mak(?:e|es|ing) away with|made away with": "delete",
    r"(?:is|are) as (?:it|they) (?:was|were)": "unchanged",
    r"on (?:its|their) way": "relocating, in transit",
    r"goes wrong|went wrong": "fails",
    r"of one's own|oneself|one's": "name the actor",
    r"(?<=, )say(?=[,.;:])": "for example",
}
"""Each expression, and the recommended words."""

ALLOWED: set[str] = set()
"""Phrases that contain such a word and are good English."""

_PATTERNS = {
    re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.I): hint
    for words, hint in WORDS.items()
}
_CODE = re.compile(r"```.*?```|``[^`]*``|`[^`]*`", re.S)
"""Code in prose; it is replaced by blanks, so that line numbers stay the same."""


def problems(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, words and hint for each expression to avoid in a text."""
    prose = _CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for pattern, hint in _PATTERNS.items():
        for found in pattern.finditer(prose):
            line = prose.count("\n", 0, found.start()) + 1
            if not any(phrase in _line(prose, line) for phrase in ALLOWED):
                yield line, found[0], hint


def _line(text: str, number: int) -> str:
    return text.split("\n")[number - 1]


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of the docstrings and messages of a module.

    A string without a space is a name, not a sentence.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Constant):
            continue
        if isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def catalogue_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the English messages of a JavaScript catalogue, all as line 1."""
    for text in json.loads(path.read_text()).values():
        yield 1, text


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of everything in a file that people read."""
    if path.suffix == ".py":
        yield from python_texts(path.read_text())
    elif path.suffix == ".json":
        yield from catalogue_texts(path)
    else:
        yield 1, path.read_text()


def sources() -> list[Path]:
    """Return the files that are checked."""
    return sorted(
        [
            *ROOT.glob("*.md"),
            *(ROOT / "docs").glob("*.md"),
            *PACKAGE.rglob("*.py"),
            *CATALOGUES.glob("messages/en/*.json"),
        ]
    )


def main(arguments: list[str]) -> int:
    """Print what was found in the given files or in all; return 1 if anything was."""
    found = 0
    for path in [Path(a).resolve() for a in arguments] or sources():
        for start, text in texts(path):
            for line, words, hint in problems(text):
                found += 1
                shown = path.relative_to(ROOT)
                print(f"{shown}:{start + line - 1}: {words!r}: {hint}")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
