# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Texts of others are printed as they are, never as markup."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

import invenio_stats_dashboard.cli as cli
from invenio_stats_dashboard.cli import output, progress, status_display, usage_display
from invenio_stats_dashboard.migration.migration_status import (
    BackupCheck,
    MigrationStatus,
    MonthStatus,
)
from invenio_stats_dashboard.migration.plan import MigrationPlan, PlannedMonth
from invenio_stats_dashboard.migration.re_enrichment import ReEnrichmentResult
from invenio_stats_dashboard.migration.report import (
    MigrationReport,
    MonthProgress,
    MonthReport,
)
from invenio_stats_dashboard.migration.rollback import RollbackResult
from invenio_stats_dashboard.services.status import StatsStatus
from invenio_stats_dashboard.usage_events.dead_letters import DeadLetters
from invenio_stats_dashboard.usage_events.replay import ReplayReport

SECURITY = "no permissions for [indices:admin/create] and User [name=a]"
DISK = "failed to write [/usr/share/opensearch/data] No space left on device"
PARTS = (
    "[red]",
    "[/]",
    "[/red]",
    "[",
    "]",
    "\\",
    ":smile:",
    "[@click=x]",
    SECURITY,
    DISK,
)
TEXTS = st.lists(
    st.sampled_from(PARTS) | st.text("ab[]/\\:é ", min_size=1, max_size=6),
    min_size=1,
    max_size=4,
).map(lambda parts: " ".join("".join(parts).split()) or "x")


def of_month(kind, **values):
    """Return a dataclass of a month with zeros or None elsewhere."""
    blank = {name: None for name in kind.__dataclass_fields__}
    numbers = dict.fromkeys(("events", "copied", "percent", "bytes"), 0)
    numbers = {k: v for k, v in numbers.items() if k in blank}
    return kind(
        **{**blank, **numbers, "event_type": "view", "month": "2026-03", **values}
    )


def failed(text):
    """Return the report of a month that failed."""
    month = MonthReport("view", "2026-03")
    month.source_index = month.backup_index = text
    month.fail(text)
    return month


DISPLAYS = {
    "plan": lambda text: usage_display.print_plan(
        MigrationPlan(
            [
                of_month(
                    PlannedMonth,
                    state="planned",
                    source_index=text,
                    target_index=text,
                    writable=False,
                )
            ],
            blockers=[text],
            warnings=[text],
        )
    ),
    "report": lambda text: usage_display.print_report(
        MigrationReport(
            months=[failed(text)], problems=[text], stopped={"reason": text}
        )
    ),
    "status": lambda text: usage_display.print_status(
        MigrationStatus(
            [of_month(MonthStatus, state=text, error=text, problem=text, retry=text)],
            running=text,
            problems=[text],
            dead_letters=DeadLetters(1, text),
        )
    ),
    "checks": lambda text: usage_display.print_checks(
        [of_month(BackupCheck, same=same, difference=text) for same in (False, None)]
    ),
    "cleanup": lambda text: usage_display.print_cleanup([(text, text)], False),
    "rolled back": lambda text: usage_display.print_rolled_back(
        [RollbackResult("view", "2026-03", text, error=text)]
    ),
    "re-enriched": lambda text: usage_display.print_re_enriched(
        text, [ReEnrichmentResult("view", "2026-03", text, 1)]
    ),
    "replayed": lambda text: usage_display.print_replayed(
        ReplayReport(letters=1, refused=1, reason=text, days={text: [text]})
    ),
    "whole status": lambda text: status_display.show(
        StatsStatus("2026-03-01T00:00:00+00:00", problems=(text,), locks={"x": text})
    ),
    "error": lambda text: click.echo(f"Error: {text}"),
}


@pytest.mark.parametrize("display", DISPLAYS)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(SECURITY)
@example(DISK)
@example("[red]x[/]")
@given(TEXTS)
def test_a_text_of_others_is_printed_as_it_is(display, capsys, monkeypatch, text):
    monkeypatch.setenv("COLUMNS", "2000")
    capsys.readouterr()
    DISPLAYS[display](text)
    assert text in capsys.readouterr().out


@dataclass
class Update:
    """An update of some work."""

    text: str


@settings(deadline=None, max_examples=20)
@example(DISK)
@given(TEXTS)
def test_a_bar_shows_a_text_of_others_as_it_is(text):
    column = progress.text_column("{task.fields[waiting]} {task.description}", "yellow")
    task = SimpleNamespace(fields={"waiting": text}, description=text)
    out = io.StringIO()
    Console(file=out, width=2000, force_terminal=False).print(column.render(task))
    assert out.getvalue().strip() == f"{text} {text}"


@settings(deadline=None, max_examples=20)
@example(DISK)
@given(TEXTS)
def test_the_lines_of_a_migration_show_a_text_of_others_as_it_is(text):
    update = MonthProgress("view", "2026-03", "copying", 1, 2, 0.0, 1, text)
    lines = usage_display._lines({("2026-03", "view"): update}, 400, 40)
    out = io.StringIO()
    Console(file=out, width=2000).print(lines)
    assert text in out.getvalue()


def test_no_command_has_a_console_or_a_column_that_interprets_markup():
    folder = Path(cli.__file__).parent
    for path in folder.glob("*.py"):
        text = path.read_text()
        if path != Path(output.__file__):
            assert not re.search(r"\bConsole\(", text), path
        if path != Path(progress.__file__):
            assert not re.search(r"\bTextColumn\(", text), path
        assert not re.search(r"\[/\w*\]|markup=True|from_markup", text), path
