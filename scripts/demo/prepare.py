# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Makes an instance that has run for months on the stock statistics."""

import json
import logging
from datetime import UTC, datetime, timedelta

from rich.console import Console
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy_utils import database_exists

from . import instance, legacy_events
from .bulk import write
from .catalogue import Catalogue
from .ledger import Ledger
from .steps import Steps

STALE = timedelta(days=3)
"""Content older than this is made anew, since its story would end too early."""


PREPARED = "prepared.json"


def clear(settings, steps, options):
    """Remove what an earlier run left, apart from content that can be used again.

    Args:
        settings: the :class:`~.settings.Settings`.
        steps: the :class:`Steps`.
        options: ``records``, ``months`` and ``fresh``.

    Returns:
        Catalogue: the content that is left, or None.
    """
    catalogue = None if options.fresh else _usable(settings, options)
    with steps.step("remove what an earlier run left"):
        instance.wipe(settings, database=catalogue is None)
    if catalogue is None:
        settings.content.unlink(missing_ok=True)
        instance.write_config(settings)
    return catalogue


def prepare(app, settings, options, catalogue):
    """Make content and events, and write the figures of them to a file.

    Args:
        app: the application.
        settings: the :class:`~.settings.Settings`.
        options: ``records``, ``events``, ``months`` and ``seed``.
        catalogue: the :class:`~.catalogue.Catalogue` of content that is there, or None.
    """
    steps = Steps(Console(highlight=False))
    logging.getLogger("alembic").setLevel(logging.ERROR)
    with app.app_context():
        if catalogue is None:
            with steps.step("tables, indices, queues, vocabularies"):
                instance.set_up()
            catalogue = make_content(settings, steps, options)
        ledger = make_events(settings, steps, options, catalogue)
        figures = _aggregate(settings, steps, options)
    figures |= {
        "records": catalogue.deposits,
        "versions": len(catalogue.records),
        "communities": len(catalogue.communities),
        "views": ledger.count("view"),
        "downloads": ledger.count("download"),
        "months": len({month for _, month in ledger.months}),
        "seconds": steps.seconds,
    }
    (settings.root / PREPARED).write_text(json.dumps(figures, indent=1))


def _usable(settings, options):
    """Return the content of an earlier run if it is what is asked for, or None."""
    catalogue = Catalogue.load(settings.content)
    wanted = (options.records, options.months)
    if catalogue is None or (catalogue.deposits, catalogue.months) != wanted:
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
    days = story.days_of(options.months)
    deposits = story.deposits(options.records, end, options.seed, days)
    name = f"communities and {len(deposits)} records by the services"
    with steps.counted(name, len(deposits)) as progress, indexing.postponed():
        author = Author(progress)
        author.tell(deposits)
    with steps.step(f"dates of {options.months} months, search indices"):
        backdate(author.made, end, days)
        # records follow when there is usage to tell of them
        indexing.rebuild(indexing.BESIDE_RECORDS)
    made = catalogue.of(author, options.records, end, options.months)
    made.save(settings.content)
    return made


def make_events(settings, steps, options, catalogue):
    """Write the events of all months as the stock indexer would have.

    Returns:
        Ledger: what was written.
    """
    until = _now() - timedelta(seconds=30)
    records = [*catalogue.records, *legacy_events.ghost_records(seed=options.seed)]
    ledger = Ledger(settings.legacy_ledger)
    client = settings.client()
    plan = legacy_events.plan(options.events, until, options.months)
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


def _aggregate(settings, steps, options):
    """Run the stock aggregations and keep what they make of sample days."""
    from . import aggregates, indexing

    with steps.step("stock aggregations of the last two months"):
        aggregates.catch_up(days=60)
    with steps.step("search documents of the records, with their usage"):
        indexing.rebuild(("records",))
    days = aggregates.sample_days(_now().date(), options.months)
    with steps.step("stock aggregations of sample days, to compare with later"):
        digests = aggregates.digests(days)
    settings.aggregates.write_text(json.dumps(digests, indent=1))
    return {"aggregated_days": len(days)}


def _now():
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
