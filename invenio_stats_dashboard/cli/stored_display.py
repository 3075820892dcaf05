# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Print aggregates and their indices."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

from ..aggregations.aggregate_removal import OwnIndex
from ..aggregations.documents import UPDATED, day_field
from ..search.names import USAGE_FAMILIES
from ..services.results import DailyDocuments
from .usage_display import size

_ENDED = (
    "Community events of memberships that have ended, and of records that no longer "
    "exist, cannot be generated again."
)


def table(found: DailyDocuments) -> None:
    """Print the main numbers of each day."""
    day = day_field(found.family)
    columns = _columns(found.family)
    rows = [
        (
            document[day],
            document[UPDATED] is not None,
            [_cell(document, path, name) for name, path in columns],
        )
        for document in found.documents
    ]
    widths = [
        max(len(name), *(len(cells[place]) for *_, cells in rows))
        for place, (name, _) in enumerate(columns)
    ]
    names = [name.rjust(w) for (name, _), w in zip(columns, widths, strict=True)]
    click.echo("  ".join(["day".ljust(10), *names]))
    for day, is_stored, cells in rows:
        numbers = [cell.rjust(w) for cell, w in zip(cells, widths, strict=True)]
        click.echo(click.style("  ".join([day, *numbers]), dim=not is_stored))
    click.echo(_as_of(found))


def _columns(family: str) -> Sequence[tuple[str, list[str]]]:
    """Return the heading of each column and the document paths that it adds up."""
    if family in USAGE_FAMILIES:
        view, download = "totals.view.", "totals.download."
        return (
            ("views", [view + "total_events"]),
            ("visitors", [view + "unique_visitors"]),
            ("records", [view + "unique_records"]),
            ("downloads", [download + "total_events"]),
            ("visitors", [download + "unique_visitors"]),
            ("files", [download + "unique_files"]),
            ("volume", [download + "total_volume"]),
        )
    if "snapshot" in family:
        return (
            ("records", _classes("total_records")),
            ("with files", ["total_records.with_files"]),
            ("parents", _classes("total_parents")),
            ("files", ["total_files.file_count"]),
            ("volume", ["total_files.data_volume"]),
            ("uploaders", ["total_uploaders"]),
        )
    return (
        ("records +", _classes("records.added")),
        ("-", _classes("records.removed")),
        ("parents +", _classes("parents.added")),
        ("-", _classes("parents.removed")),
        ("files +", ["files.added.file_count"]),
        ("-", ["files.removed.file_count"]),
        ("volume +", ["files.added.data_volume"]),
        ("volume -", ["files.removed.data_volume"]),
    )


def _classes(path: str) -> list[str]:
    return [f"{path}.metadata_only", f"{path}.with_files"]


def _cell(document: Mapping[str, Any], paths: Sequence[str], name: str) -> str:
    number = sum(_number(document, path) for path in paths)
    return size(number) if name.startswith("volume") else f"{number:,}"


def _number(document: Mapping[str, Any], path: str) -> int:
    value: Any = document
    for key in path.split("."):
        value = value[key]
    return value


def _as_of(found: DailyDocuments) -> str:
    if found.data_as_of is None:
        return (
            "No run has counted everything yet; see 'invenio community-stats status'."
        )
    return (
        f"Data as of {found.data_as_of[:16].replace('T', ' ')} UTC. Later changes are "
        "not counted yet."
    )


def cleared(found: Mapping[str, Collection[str]], dry_run: bool) -> None:
    """Print how many bookmarks were removed.

    Args:
        found: ``usage`` and ``records`` -> source indices that had bookmarks.
        dry_run: nothing was removed.
    """
    numbers = " and ".join(
        f"{len(names):,} indices ({half})" for half, names in found.items()
    )
    if dry_run:
        click.echo(f"The bookmarks of {numbers} would be removed.")
        return
    click.echo(
        f"The bookmarks of {numbers} were removed. The next runs count everything "
        "again; start one with 'invenio community-stats aggregate'."
    )


def indices(found: Sequence[OwnIndex], everything: bool) -> None:
    """Print indices with their sizes.

    Args:
        found: the indices.
        everything: they include community events and record facts.
    """
    width = max(len(index.name) for index in found)
    for index in found:
        click.echo(
            f"  {index.name.ljust(width)}  {index.documents:>11,} documents  "
            f"{size(index.bytes):>11}"
        )
    click.echo(_total(found))
    if everything:
        click.echo(_ENDED)


def destroyed(found: Sequence[OwnIndex], everything: bool, dry_run: bool) -> None:
    """Print the indices that were deleted, or would be; see :func:`indices`."""
    if not found:
        click.echo("There is nothing to delete.")
    elif dry_run:
        indices(found, everything)
        click.echo("Nothing was changed.")
    else:
        click.echo(f"Deleted: {_total(found)}")
        if everything:
            click.echo(
                "Run 'invenio community-stats generate-community-events' to generate "
                "community events and record facts again."
            )


def _total(found: Sequence[OwnIndex]) -> str:
    documents = sum(index.documents for index in found)
    total = size(sum(index.bytes for index in found))
    return f"{len(found):,} indices, {documents:,} documents, {total}."
