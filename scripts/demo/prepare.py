# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Makes an instance that has run for 18 months on the stock statistics.

Run in a process of its own, so that one application serves all steps::

    python -m scripts.demo.prepare --records 300 --events 400000
"""

import argparse
import json
import logging
import os
import sys
from datetime import UTC, datetime, timedelta

from rich.console import Console
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy_utils import database_exists

from . import instance, legacy_events
from .bulk import write
from .catalogue import Catalogue
from .ledger import Ledger
from .settings import Settings
from .steps import Steps

STALE = timedelta(days=3)
"""Content older than this is made anew, since its story would end too early."""


PREPARED = "prepared.json"


def main(argv=None):
    """Prepare the demonstration and write its figures to a file."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo.prepare")
    parser.add_argument("--root", default=".demo")
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args(argv)
    settings = Settings.from_environment(options.root)
    environment = settings.environment()
    os.environ.clear()
    os.environ.update(environment)
    steps = Steps(Console(highlight=False))
    figures = prepare(settings, steps, options)
    path = settings.root / PREPARED
    path.write_text(json.dumps(figures | {"seconds": steps.seconds}, indent=1))


def prepare(settings, steps, options):
    """Make instance, content and events; use the content of an earlier run.

    Args:
        settings: the :class:`~.settings.Settings`.
        steps: the :class:`Steps`.
        options: ``records``, ``events``, ``seed`` and ``fresh``.

    Returns:
        dict: figures of what there is.
    """
    catalogue = None if options.fresh else _usable(settings, options.records)
    with steps.step("remove what an earlier run left"):
        instance.wipe(settings, database=catalogue is None)
    if catalogue is None:
        settings.content.unlink(missing_ok=True)
        instance.write_config(settings)
    with steps.step("build the application"):
        app = instance.make_app(settings)
        logging.getLogger("alembic").setLevel(logging.ERROR)
    with app.app_context():
        if catalogue is None:
            with steps.step("tables, indices, queues, vocabularies"):
                instance.set_up()
            catalogue = make_content(settings, steps, options)
        ledger = make_events(settings, steps, options, catalogue)
        figures = _aggregate(settings, steps)
    return figures | {
        "records": catalogue.deposits,
        "versions": len(catalogue.records),
        "communities": len(catalogue.communities),
        "views": ledger.count("view"),
        "downloads": ledger.count("download"),
        "months": len({month for _, month in ledger.months}),
    }


def _usable(settings, records):
    """Return the content of an earlier run if it is what is asked for, or None."""
    catalogue = Catalogue.load(settings.content)
    if catalogue is None or catalogue.deposits != records:
        return None
    if _now() - catalogue.ended > STALE or not _is_there(settings, catalogue):
        return None
    alias = f"{settings.prefix}rdmrecords-records"
    return catalogue if settings.client().indices.exists_alias(name=alias) else None


def _is_there(settings, catalogue):
    """Return whether the database holds this content, not that of another run."""
    if not database_exists(settings.database_uri):
        return False
    statement = text("SELECT 1 FROM pidstore_pid WHERE pid_value = :recid")
    engine = create_engine(settings.database_uri)
    try:
        with engine.connect() as connection:
            recid = catalogue.records[-1].recid
            return connection.execute(statement, {"recid": recid}).first() is not None
    except ProgrammingError:  # no tables: a run was cut short
        return False
    finally:
        engine.dispose()


def make_content(settings, steps, options):
    """Make users, communities and records with a history.

    Returns:
        Catalogue: what there is now.
    """
    from . import catalogue, indexing, story
    from .backdate import backdate
    from .content import Author

    end = _now()
    deposits = story.deposits(options.records, end, options.seed)
    name = f"communities and {len(deposits)} records by the services"
    with steps.counted(name, len(deposits)) as progress, indexing.postponed():
        author = Author(progress)
        author.tell(deposits)
    with steps.step("dates of 18 months, search indices"):
        backdate(author.made, end)
        # records follow when there is usage to tell of them
        indexing.rebuild(indexing.BESIDE_RECORDS)
    made = catalogue.of(author, options.records, end)
    made.save(settings.content)
    return made


def make_events(settings, steps, options, catalogue):
    """Write the events of 18 months as the stock indexer would have.

    Returns:
        Ledger: what was written.
    """
    until = _now() - timedelta(seconds=30)
    records = [*catalogue.records, *legacy_events.ghost_records(seed=options.seed)]
    ledger = Ledger(settings.legacy_ledger)
    client = settings.client()
    plan = legacy_events.plan(options.events, until)
    name = f"{options.events:,} legacy events in {len(plan)} indices"
    with steps.counted(name, options.events) as progress:
        for (event_type, month), count in plan.items():
            events = legacy_events.generate(
                event_type, month, count, records, options.seed, until
            )
            write(client, settings.prefix, event_type, events, ledger)
            progress(count)
        ledger.save()
        client.indices.refresh(index=f"{settings.prefix}events-stats-*")
    return ledger


def _aggregate(settings, steps):
    """Run the stock aggregations and keep what they make of sample days."""
    from . import aggregates, indexing

    with steps.step("stock aggregations of the last two months"):
        aggregates.catch_up(days=60)
    with steps.step("search documents of the records, with their usage"):
        indexing.rebuild(("records",))
    days = aggregates.sample_days(_now().date())
    with steps.step("stock aggregations of sample days, to compare with later"):
        digests = aggregates.digests(days)
    settings.aggregates.write_text(json.dumps(digests, indent=1))
    return {"aggregated_days": len(days)}


def _now():
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


if __name__ == "__main__":
    sys.exit(main())
