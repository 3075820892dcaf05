# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write docs/stored-documents.md from the catalogue of stored documents.

python -m scripts.describe_documents
"""

from itertools import groupby
from pathlib import Path

from invenio_stats_dashboard.search.names import Names
from invenio_stats_dashboard.search.stored_documents import CATALOGUE, DocumentKind

PAGE = Path(__file__).parent.parent / "docs" / "stored-documents.md"

INTRODUCTION = """\
# Stored documents

The package stores its state in indices of its own: bookmarks, locks, intermediate results,
the redelivery journal and dead letters. This page describes each kind of document. It is made
from `search/stored_documents.py` by `python -m scripts.describe_documents`.

In an `_id`, the parts in braces vary. Most documents also have the fields `kind`, which names
their kind, and `updated_at`. Names of code are relative to `invenio_stats_dashboard`.
[Back up and restore](operate.md#back-up-and-restore) lists which indices to back up.
[Aggregates](aggregates.md) and [community events](community-events.md) describe the other
documents of the package.
"""


def page() -> str:
    """Return the text of the page."""
    names = Names()
    parts = [INTRODUCTION]
    for attribute, entries in groupby(CATALOGUE, key=lambda entry: entry.index):
        parts.append(f"\n## `{getattr(names, attribute)}`\n")
        parts += [_section(entry) for entry in entries]
    return "".join(parts)


def _section(entry: DocumentKind) -> str:
    rows = {
        "Fields": _codes(entry.fields),
        "Written by": _codes(entry.writers),
        "Read by": _codes(entry.readers),
        "Removed": entry.removal,
        "If it is lost": entry.loss,
    }
    listed = "".join(f"- **{title}:** {text}\n" for title, text in rows.items())
    heading = " and ".join(f"`{form}`" for form in entry.ids)
    return f"\n### {heading}\n\n{entry.purpose}\n\n{listed}"


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page())
