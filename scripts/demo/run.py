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
from pathlib import Path
from subprocess import CalledProcessError

from opensearchpy.exceptions import OpenSearchException
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from . import aggregates, instance, report
from .catalogue import Catalogue
from .commands import Operator
from .counted import totals
from .ledger import Ledger
from .prepare import PREPARED
from .proof import FastSerializer, compare
from .recheck import RECHECKED
from .settings import Settings
from .steps import Steps
from .writer import Reader, Writer

TYPES = ("view", "download")


def main(argv=None):
    """Run the demonstration; return 0 if all went as it should."""
    options = _options(argv)
    console = Console(highlight=False)
    settings = Settings.from_environment(options.root)
    demo = Demonstration(settings, console, Steps(console), options)
    try:
        demo.run()
    except (CalledProcessError, OpenSearchException, SQLAlchemyError) as error:
        demo.fail(f"It ended before its end: {error}")
    demo.finish()
    if options.json:
        options.json.write_text(json.dumps(demo.figures, indent=2, default=str) + "\n")
        console.print(f"The figures are in {options.json}.")
    return 0 if demo.figures["passed"] else 1


def _options(argv):
    parser = argparse.ArgumentParser(prog="./run-demo.sh")
    parser.add_argument("--root", default=".demo", type=Path)
    parser.add_argument("--events", default=400_000, type=int)
    parser.add_argument("--records", default=300, type=int)
    parser.add_argument("--rate", default=50, type=int)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    if options.events < 1000 or options.records < 20 or not 1 <= options.rate <= 1000:
        parser.error("at least 1,000 events and 20 records; a rate from 1 to 1,000")
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
        self.console.rule("[bold]An InvenioRDM that has run for 18 months[/]")
        self.console.print(f"OpenSearch {search}, PostgreSQL {database}")
        self.prepare()
        self.console.rule("[bold]The dashboard is switched on[/]")
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
        options = self.options
        words = ["--events", options.events, "--records", options.records]
        words += ["--root", options.root, "--seed", options.seed]
        words += ["--fresh"] if options.fresh else []
        self.operator.python("scripts.demo.prepare", *map(str, words))
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
            self.operator.python(
                "scripts.demo.recheck", "--root", str(self.options.root)
            )
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

    def finish(self):
        """Sum up, and tell how to look further."""
        self.figures["commands"] = [o.as_json() for o in self.operator.outcomes]
        self.figures["seconds"] = self.steps.seconds
        self.figures["failures"] = self.failures
        self.figures["passed"] = not self.failures
        report.print_times(self.console, self.steps.seconds, self.operator.outcomes)
        report.print_verdict(self.console, self.failures)
        report.print_further(self.console, self.settings)

    def expect(self, outcome):
        """Count a command that did not end well."""
        if outcome.exit_code:
            self.fail(f"`{outcome.line}` ended with exit code {outcome.exit_code}")

    def fail(self, sentence):
        """Note a failure."""
        self.failures.append(sentence)


if __name__ == "__main__":
    sys.exit(main())
