# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Commands for usage events: migrate, status, verify, cleanup, rollback, replay."""

import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from flask.cli import with_appcontext

from ..errors import UsageError
from ..proxies import current_stats_dashboard
from . import usage_display as display
from .output import console, json_option, print_json, sentences_for_errors

if TYPE_CHECKING:
    from celery.result import AsyncResult

    from ..services import EventReindexingService

types_option = click.option(
    "--event-types",
    "event_types",
    multiple=True,
    metavar="view|download",
    help="Only this event type. Can be given twice. Default: both.",
)
months_option = click.option(
    "--months",
    multiple=True,
    metavar="YYYY-MM[:YYYY-MM]",
    help="Only this month or range of months. Can be repeated.",
)


def _service() -> "EventReindexingService":
    return current_stats_dashboard.event_reindexing_service


@click.group("usage-events")
def usage_events() -> None:
    """Migrate and maintain view and download events."""


@click.command("migrate")
@types_option
@months_option
@click.option("--batch-size", type=int, help="Events per batch, 1 to 10,000.")
@click.option(
    "--max-batches",
    type=int,
    help="Stop each monthly index after this number of batches; the next run "
    "continues.",
)
@click.option(
    "--max-memory-percent",
    type=int,
    help="Wait while the heap of a data node is this full or fuller, 1 to 100.",
)
@click.option(
    "--delete-old-indices",
    is_flag=True,
    help="Delete the backup of each migrated month that can no longer receive events, "
    "after comparing it. Such a month cannot be rolled back any more.",
)
@click.option(
    "--delete-backup",
    is_flag=True,
    help="Delete the backup of each migrated month that can still receive events (the "
    "current one, and for seven days the one before), after comparing it.",
)
@click.option(
    "--fresh-start",
    is_flag=True,
    help="Copy months from the beginning if they are not cut over. Compare the others "
    "with their backups again, and copy the events that they lack.",
)
@click.option(
    "--re-enrich",
    metavar="KEY",
    help="Instead of migrating, add a new breakdown to events that are enriched.",
)
@click.option(
    "--ignore-stock-workers",
    is_flag=True,
    help="Cut over months that can still receive events even if workers with the stock "
    "event indexer are running. They lose the events that are refused during the "
    "cut-over.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option(
    "--async", "as_task", is_flag=True, help="Run as a Celery task; see 'status'."
)
@json_option
@with_appcontext
@sentences_for_errors
def migrate(
    event_types: tuple[str, ...],
    months: tuple[str, ...],
    re_enrich: str | None,
    dry_run: bool,
    as_task: bool,
    as_json: bool,
    max_batches: int | None,
    **options: Any,
) -> None:
    """Migrate legacy events to enriched indices while the site is in use.

    It can be stopped or killed at any time; the next run continues. Exit code 0: all
    requested work is done. 1: a month failed, or disk space or shards do not suffice.
    2: invalid use, another run is active, or a prerequisite is missing. 3: stopped, or
    OpenSearch does not answer; run the same command again to continue.
    """
    service = _service()
    if re_enrich is not None:
        others = (max_batches, *options.values())
        # 0 is an option that was given, unlike None, or False of a flag
        if dry_run or not all(value is None or value is False for value in others):
            raise UsageError(
                "--re-enrich can be combined with --event-types, --months, --async and "
                "--json only."
            )
        _re_enrich(service, re_enrich, event_types, months, as_task, as_json)
        return
    arguments: dict[str, Any] = {
        "event_types": list(event_types),
        "months": list(months),
        "max_batches": max_batches,
        **options,
    }
    if dry_run:
        service.check_arguments(**arguments)
        plan = service.plan(event_types, months)
        print_json(plan.as_json()) if as_json else display.print_plan(plan)
        return
    if as_task:
        _send(service, arguments, as_json)
        return
    with _stop_politely() as stop, display.progress(not as_json) as progress:
        report = service.reindex_events(**arguments, progress=progress, stop=stop)
    if as_json:
        print_json(report.as_json())
    else:
        display.print_report(report)
    sys.exit(report.exit_code)


def _send(
    service: "EventReindexingService", arguments: dict[str, Any], as_json: bool
) -> None:
    from ..tasks import reindex_usage_events

    service.check_arguments(**arguments)
    _say_sent(reindex_usage_events.delay(**arguments), as_json)


def _say_sent(result: "AsyncResult", as_json: bool) -> None:
    if as_json:
        print_json({"task": result.id})
    else:
        console().print(
            f"Sent to Celery as task {result.id}.\n"
            "Follow it with: invenio community-stats usage-events status"
        )


def _re_enrich(
    service: "EventReindexingService",
    key: str,
    event_types: tuple[str, ...],
    months: tuple[str, ...],
    as_task: bool,
    as_json: bool,
) -> None:
    if as_task:
        from ..tasks import re_enrich_usage_events

        arguments: dict[str, Any] = {
            "event_types": list(event_types),
            "months": list(months),
        }
        service.check_re_enrichment(key, **arguments)
        _say_sent(re_enrich_usage_events.delay(key=key, **arguments), as_json)
        return
    with _stop_politely() as stop, display.progress(not as_json) as progress:
        done = service.re_enrich(key, event_types, months, progress=progress, stop=stop)
    if as_json:
        print_json([vars(month) for month in done])
    else:
        display.print_re_enriched(key, done)


class _stop_politely:
    """Sets an event on SIGINT and SIGTERM, so that the current batch is completed."""

    def __enter__(self) -> threading.Event:
        self._stop = threading.Event()
        self._before = {
            number: signal.signal(number, self._heard)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self._stop

    def _heard(self, number: int, frame: FrameType | None) -> None:
        click.echo("Stopping after the current batch …", err=True)
        self._stop.set()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


usage_events.add_command(migrate)


@usage_events.command("status")
@types_option
@months_option
@json_option
@with_appcontext
@sentences_for_errors
def status(
    event_types: tuple[str, ...], months: tuple[str, ...], as_json: bool
) -> None:
    """Show the progress of each month, and problems that need attention.

    Exit code 1 if a problem needs attention.
    """
    found = _service().status(event_types, months)
    print_json(found.as_json()) if as_json else display.print_status(found)
    sys.exit(1 if found.needs_attention else 0)


@usage_events.command("verify")
@types_option
@months_option
@json_option
@with_appcontext
@sentences_for_errors
def verify(
    event_types: tuple[str, ...], months: tuple[str, ...], as_json: bool
) -> None:
    """Compare every event of the backups with the indices in service again.

    Changes nothing. Exit code 1 if a backup holds events that the index in service
    lacks or has changed, or if a comparison fails.
    """
    with display.progress(not as_json) as progress:
        checks = _service().verify(event_types, months, progress=progress)
    if as_json:
        print_json([vars(check) for check in checks])
    else:
        display.print_checks(checks)
    sys.exit(1 if any(check.same is False for check in checks) else 0)


def _refuse_unasked(yes: bool, as_json: bool) -> None:
    """With JSON output, require ``--yes``, because there is no prompt."""
    if as_json and not yes:
        raise UsageError("With --json there is no prompt; add --yes to confirm.")


@usage_events.command("cleanup")
@types_option
@months_option
@click.option("--dry-run", is_flag=True, help="Show what would be deleted.")
@click.option(
    "--accept-deletions",
    is_flag=True,
    help="Delete a backup even if some of its events have been deleted from the index "
    "in service. Requires --months.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@with_appcontext
@sentences_for_errors
def cleanup(
    event_types: tuple[str, ...],
    months: tuple[str, ...],
    dry_run: bool,
    accept_deletions: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete the backups of months after comparing every event again.

    Exit code 1 if a backup is not deleted.
    """
    service = _service()
    options: dict[str, Any] = {"accept_deletions": accept_deletions}
    found = service.cleanup(event_types, months, dry_run=True, **options)
    ready = [name for name, reason in found if reason is None]
    if not dry_run and ready:
        _refuse_unasked(yes, as_json)
        if not yes:
            for name in ready:
                click.echo(f"  {name}")
            click.confirm(f"Permanently delete these {len(ready)} indices?", abort=True)
        found = service.cleanup(event_types, months, **options)
    if as_json:
        print_json([{"index": name, "kept_because": why} for name, why in found])
    else:
        display.print_cleanup(found, dry_run)
    sys.exit(1 if any(reason for _, reason in found) else 0)


@usage_events.command("rollback")
@types_option
@months_option
@click.option(
    "--ignore-stock-workers",
    is_flag=True,
    help="Roll back months that can still receive events even if workers with the "
    "stock event indexer are running. They lose the events that are refused during the "
    "rollback.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
@with_appcontext
@sentences_for_errors
def rollback(
    event_types: tuple[str, ...],
    months: tuple[str, ...],
    ignore_stock_workers: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Roll months back to their backup indices, with all changes since.

    Events that were deleted since the cut-over are deleted from the backup, too.
    The scheduled task counts nothing until these months are migrated again.
    """
    if months:
        _refuse_unasked(yes, as_json)
    if months and not yes:
        click.confirm(
            "Events that were deleted since the cut-over are deleted from the backup "
            f"indices, too. Roll {', '.join(months)} back?",
            abort=True,
        )
    done = _service().rollback(event_types, months, ignore_stock_workers)
    if as_json:
        print_json([vars(month) for month in done])
    else:
        display.print_rolled_back(done)
    sys.exit(1 if any(month.error for month in done) else 0)


@usage_events.command("replay")
@click.option("--dry-run", is_flag=True, help="Show what would be indexed.")
@json_option
@with_appcontext
@sentences_for_errors
def replay(dry_run: bool, as_json: bool) -> None:
    """Index dead letters again, and count their days again.

    Run it after you have fixed the cause; 'status' shows the newest reason. Exit code 1
    if some events are refused again.
    """
    done = _service().replay(dry_run)
    print_json(done.as_json()) if as_json else display.print_replayed(done)
    sys.exit(1 if done.refused else 0)


@usage_events.command("odd")
@click.option(
    "--acknowledge",
    is_flag=True,
    help="Record that you know these events, so that they need no action any more.",
)
@json_option
@with_appcontext
@sentences_for_errors
def odd(acknowledge: bool, as_json: bool) -> None:
    """List events with fields that cannot be read as expected.

    OpenSearch accepts values of other types than InvenioRDM stores, such as a number
    or a list as the record's identifier. Such an event is migrated and counted, but
    its unreadable fields count as unknown. An event whose timestamp cannot be read is
    not counted.
    """
    months = _service().odd_events(acknowledge)
    if as_json:
        print_json([month.as_json() for month in months])
    else:
        display.print_odd_events(months)


@usage_events.command("clear-bookmarks")
@types_option
@months_option
@click.option(
    "--fresh-start", is_flag=True, help="Also delete incomplete target indices."
)
@json_option
@with_appcontext
@sentences_for_errors
def clear_bookmarks(
    event_types: tuple[str, ...],
    months: tuple[str, ...],
    fresh_start: bool,
    as_json: bool,
) -> None:
    """Discard the progress of unfinished months; the next run starts them again."""
    cleared = _service().clear_bookmarks(event_types, months, fresh_start)
    if as_json:
        print_json({"cleared": cleared})
    else:
        console().print(
            f"Cleared: {', '.join(cleared)}." if cleared else "Nothing to clear."
        )


migrate_events = click.Command(
    "migrate-events",
    callback=migrate.callback,
    params=migrate.params,
    help=f"The same as 'usage-events migrate'.\n\n{migrate.help}",
)
