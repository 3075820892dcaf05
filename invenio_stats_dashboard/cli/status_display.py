# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Print the status: problems, facts, and the documents of communities."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from ..community_events.deferred_captures import DeferredState
from ..community_events.documents import GLOBAL
from ..services.aggregation_status import FamilyStatus
from ..services.preparation import READY
from ..services.status import CommunityStatus, StatsStatus
from ..usage_events.queues import QueueLength
from .output import console
from .usage_display import bar, duration

_LABEL = 18
_LONGEST_LINE = 120
_GENERATE = "invenio community-stats generate-community-events"
_BAR = 10


def show(status: StatsStatus, details: bool = False, every: bool = False) -> None:
    """Print the status.

    Args:
        status: the status.
        details: print the families of each community, not only of the instance.
        every: the status includes all communities that have documents.
    """
    out = console()
    width = min(out.width, _LONGEST_LINE) if out.is_terminal else None
    for line in _health(status, width):
        click.echo(line)
    click.echo()
    for label, text in _facts(status):
        for line in _wrapped(label.ljust(_LABEL), text, width):
            click.echo(line)
    click.echo()
    for line in _documents(status, details, every):
        click.echo(line)


def show_corrections(found: Sequence[Mapping[str, Any]]) -> None:
    """Print the corrections that ``CommunityStatsService.corrections`` returns."""
    if not found:
        click.echo("There are no corrections.")
    for entry in found:
        number = len(entry["communities"]) + entry["more_communities"]
        days = entry["day"]
        if entry.get("last_day", days) != days:
            days += f" to {entry['last_day']}"
        parts = [f"{entry['scope']} of {days}: {entry['why']}"]
        parts += _totals(entry.get("global", {}))
        click.echo(
            f"{_moment(entry['updated_at'])}  {', '.join(parts)} ({_number(number)})"
        )


def _number(communities: int) -> str:
    return "1 community" if communities == 1 else f"{communities:,} communities"


def _totals(totals: Mapping[str, Any]) -> Iterator[str]:
    """Yield the changed totals of the instance, before and after."""
    for kind in ("view", "download"):
        before, after = (
            ((totals.get(when) or {}).get(kind) or {}).get("total_events", 0)
            for when in ("before", "after")
        )
        if before != after:
            yield f"{kind}s {before:,} → {after:,}"


def _health(status: StatsStatus, width: int | None) -> Iterator[str]:
    if not status.enabled:
        yield "Health: Disabled (COMMUNITY_STATS_ENABLED is False)."
    elif not status.problems and not status.has_begun:
        yield from _wrapped(
            "Health: ",
            "Nothing has run yet. The scheduled task runs within the hour if Celery "
            "beat and a worker are running.",
            width,
        )
    elif not status.problems:
        yield "Health: " + click.style("No action required.", fg="green")
    else:
        number = len(status.problems)
        what = "1 problem needs" if number == 1 else f"{number} problems need"
        yield "Health: " + click.style(f"{what} attention.", fg="red")
        for place, sentence in enumerate(status.problems, start=1):
            yield from _wrapped(f"{place:3}. ", sentence, width)


def _wrapped(head: str, text: str, width: int | None) -> list[str]:
    """Wrap a text, indented by the length of its head; one line without a width."""
    if width is None:
        return [f"{head}{text}"]
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]


# -- facts about the instance ------------------------------------------------


def _facts(status: StatsStatus) -> Iterator[tuple[str, str]]:
    yield "Data as of", _data(status)
    yield "Last run", _last_run(status)
    yield "Usage", _usage(status)
    yield "Records", _records(status)
    yield "Community events", _community_events(status)
    yield "Migration", _migration(status)
    yield "Preparation", _preparation(status)
    letters = status.migration.dead_letters.count
    yield "Dead letters", f"{letters:,}" if letters else "none"
    if odd := status.migration.odd_events.count:
        yield "Odd events", f"{odd:,}, {status.migration.odd_events.new:,} of them new"
    yield "Queues", ", ".join(_queue(queue) for queue in status.queues) or "none"
    yield from _deferred_captures(status.deferred_captures)
    yield from _locks(status)


def _deferred_captures(deferred: DeferredState) -> Iterator[tuple[str, str]]:
    if (deferred.waiting or deferred.timed_out) and deferred.since:
        yield "Deferred captures", (
            f"{deferred.waiting:,} for the next batch, {deferred.timed_out:,} for the "
            f"reconciliation; the oldest since {_moment(deferred.since)}"
        )


def _data(status: StatsStatus) -> str:
    as_of, lag = status.data_as_of, status.lag_seconds
    if as_of is None or lag is None:
        return "never: no run has counted everything yet"
    return f"{_moment(as_of)}, {duration(max(lag, 0))} ago"


def _last_run(status: StatsStatus) -> str:
    run = status.last_run
    if run is None:
        return "none yet"
    when = _moment(run["updated_at"])
    if run.get("error"):
        return f"{when}, failed: {run['error']}"
    if run.get("interrupted"):
        return f"{when}, interrupted; the next run continues"
    written = sum(
        counts["created"] + counts["changed"] + counts["deleted"]
        for counts in run["families"].values()
    )
    left = f"; {run['days_left']:,} days are left" if run["days_left"] else ""
    return (
        f"{when}, {duration(run['seconds'])}: {run['events']:,} events of "
        f"{run['days']:,} days counted, {written:,} documents written or deleted{left}"
    )


def _usage(status: StatsStatus) -> str:
    text = f"{status.usage_days:,} days with events"
    if status.usage_days_left:
        done = status.usage_days - status.usage_days_left
        percent = 100 * done / status.usage_days
        text += (
            f", {bar(percent, _BAR)} {done:,} counted, "
            f"{status.usage_days_left:,} pending"
        )
    elif status.usage_days:
        text += ", all counted"
    if status.snapshots_left:
        text += f"; snapshots of {status.snapshots_left:,} communities pending"
    return text + _since(status, "usage")


def _records(status: StatsStatus) -> str:
    text = "all communities counted"
    if status.records_left:
        text = f"{status.records_left:,} communities pending"
    elif status.last_run is None:
        text = "not counted yet"
    return text + _since(status, "records")


def _since(status: StatsStatus, scope: str) -> str:
    """Return the number of writes to the sources that no run has read, as a clause."""
    changes = status.changes.get(scope)
    return f"; {changes:,} writes not processed yet" if changes else ""


def _community_events(status: StatsStatus) -> str:
    state = status.community_events
    if state.position:
        return f"interrupted after {state.seen:,} records; '{_GENERATE}' continues"
    if not state.complete:
        return "not generated yet"
    text = f"complete, {state.events:,} events"
    if status.reconciled_at:
        text += f"; compared with the database {_moment(status.reconciled_at)}"
        repaired = sum(status.reconciliation.repaired.values())
        repaired_at = status.reconciliation.repaired_at
        if repaired and repaired_at:
            text += f", last repair {_moment(repaired_at)} ({repaired:,} events)"
    if status.outdated_facts:
        text += (
            f"; {status.outdated_facts:,} record facts are outdated until the next "
            "reconciliation of all records"
        )
    return text


def _migration(status: StatsStatus) -> str:
    if not status.migration.months:
        return "no usage events yet"
    months = ", ".join(f"{n:,} {state}" for state, n in sorted(status.months.items()))
    numbers = [month.not_enriched for month in status.migration.months]
    known = [number for number in numbers if number is not None]
    total = sum(known)
    text = f"monthly indices: {months}"
    if total and len(known) == len(numbers):
        text += f"; {total:,} events not enriched"
    return text


def _preparation(status: StatsStatus) -> str:
    found = status.preparation
    if found is None:
        return "no scheduled run yet" if status.scheduled else "off"
    when = _moment(found["updated_at"])
    if found["step"] == READY:
        return f"nothing is missing ({when})"
    text = f"current step: {found['step']} ({when})"
    if found["months_left"]:
        text += f", {found['months_left']:,} monthly indices left"
    if found["waits_for"]:
        text += f"; waiting: {found['waits_for']}"
    return text


def _queue(queue: QueueLength) -> str:
    if queue.length is None:
        return f"{queue.event_type} unknown"
    return f"{queue.event_type} {queue.length:,}"


def _locks(status: StatsStatus) -> Iterator[tuple[str, str]]:
    held = {name: holder for name, holder in status.locks.items() if holder}
    for name, holder in held.items():
        yield "Running", f"{name}: {holder}"
    if not held:
        yield "Running", "nothing"


# -- by community ------------------------------------------------------------

_HEAD = f"{'first day':10}  {'last day':10}  {'documents':>9}  complete"


def _documents(status: StatsStatus, details: bool, every: bool) -> Iterator[str]:
    """Yield a table by family of the instance, and one line per community.

    With ``details``, every community has a table by family.
    """
    communities = [c for c in status.communities if details or c.community_id == GLOBAL]
    for number, community in enumerate(communities):
        if number:
            yield ""
        yield from _families(community)
    others = [c for c in status.communities if c not in communities]
    if others:
        yield ""
        yield from _lines(others)
    left = status.communities_total - len(others)
    if left > 0 and every:
        yield f"{left:,} more communities have no documents yet."
    elif left > 0 and not details:
        yield (
            f"{left:,} more communities: use --all, or --community SLUG for one by "
            "family."
        )
    elif others:
        yield "Use --community SLUG to show one community by family."


def _families(community: CommunityStatus) -> Iterator[str]:
    title = click.style(_title(community), bold=True)
    if not any(family.documents for family in community.families):
        yield f"{title}: no documents yet"
        return
    width = max([len(_title(community)), *(len(f.family) for f in community.families)])
    yield f"{title}{' ' * (width - len(_title(community)))}  {_HEAD}"
    for family in community.families:
        yield f"{family.family:{width}}  {_row(family)}".rstrip()


def _lines(communities: Sequence[CommunityStatus]) -> Iterator[str]:
    width = max(len("community"), *(len(_name(c)) for c in communities))
    yield f"{'community':{width}}  {_HEAD}"
    for community in communities:
        yield f"{_name(community):{width}}  {_row(_together(community))}".rstrip()


def _together(community: CommunityStatus) -> FamilyStatus:
    """Return the sum of all families; it is as complete as the least complete one."""
    firsts = [f.first_day for f in community.families if f.first_day]
    lasts = [f.last_day for f in community.families if f.last_day]
    return FamilyStatus(
        family="",
        documents=sum(f.documents for f in community.families),
        first_day=min(firsts, default=None),
        last_day=max(lasts, default=None),
        percent=_least([f.percent for f in community.families]),
        redo_from=min(
            (f.redo_from for f in community.families if f.redo_from), default=None
        ),
    )


def _least(percents: Sequence[float | None]) -> float | None:
    known = [percent for percent in percents if percent is not None]
    return min(known) if len(known) == len(percents) else None


def _name(community: CommunityStatus) -> str:
    return community.slug or community.community_id


def _title(community: CommunityStatus) -> str:
    if community.community_id == GLOBAL:
        return "the instance (global)"
    return _name(community)


def _row(family: FamilyStatus) -> str:
    return (
        f"{family.first_day or '-':10}  {family.last_day or '-':10}  "
        f"{family.documents:>9,}  {_complete(family)}"
    )


def _complete(family: FamilyStatus) -> str:
    if family.percent is None:
        return "to be counted again"
    if not family.documents and family.percent == 100:
        return ""
    text = f"{bar(family.percent, _BAR)} {family.percent:.0f} %"
    if family.redo_from and family.percent < 100:
        text += f", from {family.redo_from}"
    return text


def _moment(text: str) -> str:
    """Format an ISO 8601 time in UTC for display."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")
