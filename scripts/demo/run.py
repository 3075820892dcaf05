# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The demonstration from end to end; ``./run-demo.sh`` starts it."""

import argparse
import json
import shutil
import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from opensearchpy.exceptions import OpenSearchException
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from . import aggregates, instance, report
from .applications import Application, ApplicationError
from .catalogue import Catalogue
from .commands import Operator
from .counted import totals
from .ledger import Ledger
from .prepare import PREPARED, clear, prepare
from .proof import FastSerializer, compare
from .recheck import RECHECKED, recheck
from .settings import Settings
from .steps import Steps
from .writer import Reader, Writer

TYPES = ("view", "download")

SMALL = {"records": 60, "events": 40_000, "months": 12}
FULL = {"records": 300, "events": 400_000, "months": 18}

INDICES = 20
"""Indices of the extension that a small site has at most, beside the usage events."""


def main(argv=None):
    """Run the demonstration; return 0 if all went as it should."""
    options = _options(argv)
    console = Console(highlight=False)
    settings = Settings.from_environment(options.root)
    settings.use_in()
    demo = Demonstration(settings, console, Steps(console), options)
    try:
        demo.run()
    except (ApplicationError, OpenSearchException, SQLAlchemyError) as error:
        demo.fail(f"It ended before its end: {error}")
    demo.finish()
    demo.end()
    if options.json:
        options.json.write_text(json.dumps(demo.figures, indent=2, default=str) + "\n")
        console.print(f"The figures are in {options.json}.")
    return 0 if demo.figures["passed"] else 1


def _options(argv):
    parser = argparse.ArgumentParser(prog="./run-demo.sh")
    parser.add_argument("--root", default=".demo", type=Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--events", type=int)
    parser.add_argument("--records", type=int)
    parser.add_argument("--months", type=int)
    parser.add_argument("--rate", default=50, type=int)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    for name, value in (FULL if options.full else SMALL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.events < 1000 or options.records < 20:
        parser.error("at least 1,000 events and 20 records")
    if not 1 <= options.rate <= 1000 or not 3 <= options.months <= 18:
        parser.error("a rate from 1 to 1,000, and 3 to 18 months")
    return options


class Demonstration:
    """All steps and what they showed.

    Args:
        settings: the :class:`~.settings.Settings`.
        console: a Rich console.
        steps: the :class:`~.steps.Steps`.
        options: the command line's.
    """

    def __init__(self, settings, console, steps, options):
        """Know what to do, and nothing of the outcome."""
        self.settings, self.console = settings, console
        self.steps, self.options = steps, options
        self.operator = Operator(settings, console)
        self.failures = []
        self.figures = {}

    def run(self):
        """Do all steps; a failed one is told of and counted, not hidden."""
        search, database = instance.server_version(self.settings)
        self.figures["versions"] = {"opensearch": search, "postgresql": database}
        months = self.options.months
        self.console.rule(f"[bold]An InvenioRDM that has run for {months} months[/]")
        self.console.print(f"OpenSearch {search}, PostgreSQL {database}")
        self.prepare()
        self.console.rule("[bold]The dashboard is switched on[/]")
        site = self.operator.application = Application(
            partial(instance.make_site, self.settings)
        )
        with self.steps.step("build the application, with the dashboard"):
            site.wait()
        self.expect(self.operator.run("database-indexes", "create"))
        self.expect(self.operator.run("generate-community-events"))
        self.operator.run("usage-events", "status")
        self.console.rule("[bold]Migration, with a writer and readers beside it[/]")
        live = self.migrate()
        self.expect(self.operator.run("usage-events", "status"))
        self.expect(self.operator.run("usage-events", "verify"))
        self.console.rule("[bold]Was anything lost?[/]")
        self.prove(live)
        self.ask_stock_aggregations()
        self.console.rule("[bold]How is each community used?[/]")
        self.count()
        if self.options.json:
            status = self.operator.ask("usage-events", "status")
            self.figures["status"] = status.document

    def prepare(self):
        """Make the instance, its content and the legacy events."""
        settings, options = self.settings, self.options
        catalogue = clear(settings, self.steps, options)
        with self.steps.step("build the application"):
            app = instance.make_app(settings)
        # this process opens no connections, so that what is forked from it shares none
        stock = Application(lambda: app)
        stock.wait()
        stock.run(prepare, settings, options, catalogue)
        stock.end()
        prepared = json.loads((self.settings.root / PREPARED).read_text())
        self.steps.seconds |= prepared.pop("seconds")
        self.figures["prepared"] = prepared
        report.print_content(self.console, prepared)

    def migrate(self):
        """Migrate all months while a writer and two readers go on.

        Returns:
            Ledger: what the writer wrote.
        """
        shutil.rmtree(self.settings.writer_ledger, ignore_errors=True)
        ledger = Ledger(self.settings.writer_ledger)
        with self.life(ledger) as (writer, readers):
            migration = self.operator.run("migrate-events")
        ledger.save()
        self.expect(migration)
        self.figures["writer"] = report.writer_figures(writer)
        self.figures["readers"] = report.reader_figures(readers)
        report.print_life(self.console, writer, readers)
        for thread in (writer, *readers):
            if thread.failure:
                self.fail(f"A {type(thread).__name__.lower()} ended: {thread.failure}")
        for reader in readers:
            if reader.wrong or not reader.seen:
                self.fail(f"{len(reader.wrong)} wrong totals in {reader.alias}")
        if writer.sent != writer.stored:
            self.fail(f"the writer sent {writer.sent} and stored {writer.stored}")
        return ledger

    @contextmanager
    def life(self, ledger):
        """Write and read as long as the block runs."""
        settings, prepared = self.settings, self.figures["prepared"]
        writer = Writer(
            settings.client(),
            settings.prefix,
            Catalogue.load(settings.content).records,
            ledger,
            self.options.rate,
            aggregates.late_days(datetime.now(UTC).date()),
        )
        before = {"view": prepared["views"], "download": prepared["downloads"]}
        readers = [
            Reader(
                settings.client(),
                settings.prefix,
                kind,
                lambda kind=kind: before[kind] + writer.sent[kind],
            )
            for kind in TYPES
        ]
        for thread in (*readers, writer):
            thread.start()
        try:
            yield writer, readers
        finally:
            for thread in (writer, *readers):
                thread.stop()

    def prove(self, live):
        """Compare every event with the ledgers of who wrote it."""
        written = Ledger.load(self.settings.legacy_ledger)
        written.update(live)
        client = self.settings.client(serializer=FastSerializer())
        with self.steps.step("read every event through the read aliases"):
            months = [
                month
                for kind in TYPES
                for month in compare(client, self.settings.prefix, kind, written, live)
            ]
        self.figures["proof"] = [asdict(m) | {"complete": m.complete} for m in months]
        report.print_proof(self.console, months)
        for month in months:
            if not month.complete:
                self.fail(f"{month.month} {month.event_type} is not what was written")
            if month.overlooked:
                self.fail(
                    f"{month.month} {month.event_type}: {month.overlooked} events "
                    "that were there before are not enriched"
                )

    def ask_stock_aggregations(self):
        """Let invenio-stats aggregate the same days as before."""
        with self.steps.step("stock aggregations of the sample days, again"):
            self.operator.application.run(recheck, self.settings)
        result = json.loads((self.settings.root / RECHECKED).read_text())
        self.figures["stock_aggregations"] = result
        report.print_aggregations(self.console, result)
        if result["different"]:
            self.fail(f"stock aggregations differ on {', '.join(result['different'])}")
        if result["failed"]:
            self.fail(f"the stock aggregation task failed {result['failed']} times")

    def count(self):
        """Count usage and records, and compare with the events as they are stored.

        What needs a person, by the exit code of ``status``, is no failure here: no
        worker and no beat of this instance runs.
        """
        outcome = self.operator.run("aggregate")
        self.expect(outcome)
        while not outcome.exit_code:  # a run counts a year at most
            outcome = self.operator.ask("aggregate")
            if outcome.document["completed"]:
                break
        client = self.settings.client()
        counted = totals(client, self.settings.prefix)
        self.figures["counted"] = counted
        report.print_counted(self.console, counted)
        for kind, count in counted.items():
            if count["counted"] != count["due"]:
                self.fail(f"{count['counted']} of {count['due']} {kind}s are counted")
        self.operator.run(
            "read", "--community", "climate", "--family", "usage-snapshot"
        )
        self.operator.run("status")
        own = instance.own_indices(client, self.settings.prefix)
        self.figures["own_indices"] = own
        report.print_own_indices(self.console, own)
        if len(own) > INDICES:
            self.fail(f"{len(own)} indices of the extension, more than {INDICES}")

    def finish(self):
        """Sum up, and tell how to look further."""
        self.figures["commands"] = [o.as_json() for o in self.operator.outcomes]
        self.figures["seconds"] = self.steps.seconds
        self.figures["failures"] = self.failures
        self.figures["passed"] = not self.failures
        report.print_times(self.console, self.steps.seconds, self.operator.outcomes)
        report.print_verdict(self.console, self.failures)
        report.print_further(self.console, self.settings)

    def end(self):
        """End the application that commands are run with."""
        if self.operator.application:
            self.operator.application.end()

    def expect(self, outcome):
        """Count a command that did not end well."""
        if outcome.exit_code:
            self.fail(f"`{outcome.line}` ended with exit code {outcome.exit_code}")

    def fail(self, sentence):
        """Note a failure."""
        self.failures.append(sentence)


if __name__ == "__main__":
    sys.exit(main())
