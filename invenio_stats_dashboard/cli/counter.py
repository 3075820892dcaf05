# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The command ``counter-report``: write a COUNTER report."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from flask import current_app
from flask.cli import with_appcontext
from invenio_access.permissions import system_identity
from rich.progress import BarColumn, TaskProgressColumn

from ..aggregations.usage.event_filter import COUNT_ROBOTS
from ..errors import UsageError
from ..proxies import current_stats_dashboard
from .output import sentences_for_errors
from .progress import ProgressView, shown, text_column

if TYPE_CHECKING:
    from ..reports.counter.assembly import CounterReport, ReportProgress


@click.command("counter-report")
@click.option(
    "--community",
    default="global",
    show_default=True,
    metavar="SLUG|UUID|global",
    help="The community, or global for the whole instance.",
)
@click.option("--month", required=True, metavar="YYYY-MM", help="The month (UTC).")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file and show the progress. Default: standard output.",
)
@with_appcontext
@sentences_for_errors
def counter_report(community: str, month: str, output: Path | None) -> None:
    """Create the COUNTER dataset report of a month, in Make Data Count's format.

    The report is one JSON document. It has the views and downloads of each record,
    total and once per session, by access method and by country. It contains the titles
    of public records only.
    """
    service = current_stats_dashboard.community_stats_service
    with _written(output) as out, shown(_LOOK, wanted=output is not None) as show:
        item = service.read(system_identity, community)
        report = item.counter_report(
            month,
            progress=show.progress,
            waiting=show.waiting,
            hidden=True,
            public=True,
        )
        _write(report, out)
    if current_app.config[COUNT_ROBOTS]:
        click.echo(_WITH_ROBOTS, err=True)
    if output is not None:
        click.echo(f"Wrote {report.records:,} datasets to {output}.")


def _write(report: "CounterReport", out: TextIO) -> None:
    """Write a report with one line per dataset; only one dataset is in memory."""
    out.write('{"report-header": ')
    out.write(json.dumps(report.header, indent=2))
    out.write(',\n"report-datasets": [')
    for number, dataset in enumerate(report.datasets):
        out.write(("," if number else "") + "\n" + json.dumps(dataset))
    out.write("\n]}\n")


@contextmanager
def _written(path: Path | None) -> Iterator[TextIO]:
    """Yield a text file that gets its final name only when it is complete.

    Args:
        path: path of the file; None for standard output.
    """
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    if not path.name:
        raise UsageError("--output is empty; name a file.")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        # a link such as /dev/stdout, a device or a pipe must not be replaced by a file
        with _opened(path, path) as out:
            yield out
        return
    part = path.with_name(f".{path.name}.part")
    out = _opened(part, path)
    try:
        with out:
            yield out
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _opened(path: Path, named: Path) -> TextIO:
    """Open a file; an error names the file of the user."""
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{named} cannot be written: {error.strerror}.") from error


def _line(progress: "ReportProgress") -> str:
    return (
        f"{progress.label}: {progress.done:,} of {progress.total:,}, "
        f"{progress.events:,} events"
    )


def _fields(progress: "ReportProgress") -> dict[str, Any]:
    return {
        "description": progress.label,
        "completed": progress.done,
        "total": progress.total,
        "details": f"{progress.events:,} events",
    }


_WITH_ROBOTS = (
    "STATS_DASHBOARD_COUNT_ROBOTS is True, so robots are not excluded where the record "
    "pages of the site count them. Do not send this report to a receiver that expects "
    "COUNTER's rules."
)

_LOOK = ProgressView(
    title="report",
    columns=(
        text_column("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        text_column("{task.fields[details]}"),
    ),
    line=_line,
    fields=_fields,
)
