# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""After any interruption of a back-fill, running it again ends in the same state."""

import time
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from invenio_db import db

from invenio_stats_dashboard.community_events.backfill_run import BackfillRun
from invenio_stats_dashboard.community_events.backfill_state import backfill_state
from invenio_stats_dashboard.community_events.database import DatabaseUnavailableError
from invenio_stats_dashboard.community_events.membership import MembershipReader
from invenio_stats_dashboard.community_events.recorder import Recorder
from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.errors import SearchUnavailableError
from invenio_stats_dashboard.search.client import text_client
from tests.conftest import remove_statistics
from tests.helpers import content
from tests.helpers.layers import records
from tests.helpers.processes import Forked, kill_me
from tests.helpers.statistics import community_events, documents, facts

RECORDS = 6


@dataclass(frozen=True)
class World:
    """A community and its records, one of which was removed from it.

    Attributes:
        community: its UUID.
        recids: identifiers of the records.
        events: the events that an undisturbed back-fill writes.
    """

    community: str
    recids: list
    events: list


@pytest.fixture()
def known(request, app, client, names, layers):
    """Return records without any statistics, and the events that they have."""

    def make():
        request.getfixturevalue("fresh")
        community = content.make_community()
        recids = [content.make_record() for _ in range(RECORDS)]
        content.include_in_bulk(recids, community)
        content.remove(recids[0], community)
        _generation(app, names).run_all()
        events = _stored_events(client, names)
        assert len(events) == 2 * RECORDS - 1
        return World(community, recids, events)

    known = layers.get(__name__, make, records)
    remove_statistics(client, names)
    return known


@pytest.fixture()
def world(known):
    """Return the identifiers of the records."""
    return known.recids


@pytest.fixture()
def expected(known):
    """Return the events of an undisturbed back-fill."""
    return known.events


def _generation(app, names, page_size=1, store_class=EventStore, **options):
    """Return a back-fill that saves its position after every page."""
    client = text_client(app)
    store = store_class(client, names, **options)
    subcounts = app.extensions["invenio-stats-dashboard"].subcounts
    reader = MembershipReader(db.engine, page_size)
    recorder = Recorder(store, subcounts, reader)
    return BackfillRun(client, names, store, reader, recorder, save_every=0)


def _stored_events(client, names):
    """Return the stored events without their time of writing."""
    return [
        {k: v for k, v in event.items() if k != "timestamp"}
        for event in community_events(client, names)
    ]


class _KilledBetween(EventStore):
    """Dies after the events of a page are stored and before its facts are."""

    written = 0

    def put_facts(self, facts):
        """Count the pages, and die in the third."""
        _KilledBetween.written += 1
        if _KilledBetween.written == 3:
            kill_me()
        return super().put_facts(facts)


def test_a_run_killed_between_events_and_facts_is_resumed(
    expected, world, app, client, names
):
    run = _generation(app, names, store_class=_KilledBetween)
    assert Forked(app, run.run_all).wait() is None
    assert len(facts(client, names)) < RECORDS
    report = _generation(app, names).run_all()
    assert report.complete
    assert _stored_events(client, names) == expected
    assert set(facts(client, names)) == set(world)


@pytest.mark.parametrize("pages", [1, 5])
def test_a_run_killed_after_some_pages_is_resumed_at_its_position(
    pages, expected, app, client, names
):
    def die(progress):
        if progress.records >= pages:
            kill_me()

    run = _generation(app, names)
    run._progress, run._show_pace = die, _Always()
    assert Forked(app, run.run_all).wait() is None
    state = backfill_state(client, names)
    assert not state.complete and state.seen == pages
    report = _generation(app, names).run_all()
    assert report.resumed and report.complete
    assert report.records == RECORDS - pages
    assert _stored_events(client, names) == expected
    state = backfill_state(client, names)
    assert state.complete and state.records == RECORDS


def test_a_run_ended_by_its_progress_callback_is_resumed_at_its_position(
    expected, app, client, names
):
    class EndedError(Exception):
        pass

    def end(progress):
        if progress.records >= 2:
            raise EndedError

    run = _generation(app, names)
    run._save_every, run._progress, run._show_pace = 3600.0, end, _Always()
    with pytest.raises(EndedError):
        run.run_all()
    assert backfill_state(client, names).seen == 2
    report = _generation(app, names).run_all()
    assert report.resumed and report.complete and report.records == RECORDS - 2
    assert _stored_events(client, names) == expected


class _Always:
    """A pace by which the action is always due."""

    def is_due(self):
        """Return True."""
        return True


def test_two_concurrent_runs_write_each_event_once(expected, app, client, names):
    runs = [Forked(app, lambda: _generation(app, names, 2).run_all()) for _ in "ab"]
    reports = [run.wait() for run in runs]
    assert all(report.complete for report in reports)
    assert sum(report.events for report in reports) == len(expected)
    assert _stored_events(client, names) == expected


def test_a_broken_database_connection_is_one_sentence(world, app):
    db.session.remove()
    pages = MembershipReader(db.engine, page_size=1).select().pages()
    next(pages)
    with sa.create_engine(db.engine.url).connect() as other:
        other.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    with pytest.raises(DatabaseUnavailableError, match="did not answer") as caught:
        list(pages)
    assert caught.value.exit_code == 3
    db.engine.dispose()


def test_an_unreachable_database_is_one_sentence():
    engine = sa.create_engine("postgresql+psycopg2://nobody@localhost:1/nothing")
    with pytest.raises(DatabaseUnavailableError, match="did not answer"):
        MembershipReader(engine).select().count()


def test_a_finished_state_without_events_does_not_count_as_complete(
    world, app, client, names
):
    _generation(app, names).run_all()
    assert backfill_state(client, names).complete
    client.indices.delete(index=f"{names.community_events}-*")
    time.sleep(0.1)
    assert not backfill_state(client, names).complete


def test_facts_in_a_relocating_shard_are_waited_for(world, app, client, names):
    """For each document, an ``_mget`` can return an error within a 200 response."""
    _generation(app, names).run_all()
    index = names.record_facts
    (shard,) = client.cat.shards(index=index, params={"format": "json", "h": "node"})
    away = {"index": index, "shard": 0, "node": shard["node"], "allow_primary": True}
    client.cluster.reroute(body={"commands": [{"cancel": away}]})
    assert set(EventStore(text_client(app), names).facts(world)) == set(world)


# -- tests that change records --------------------------------------------------------


@pytest.fixture()
def few(fresh):
    """Return a community with two records that a test may change."""
    community = content.make_community()
    recids = [content.make_record() for _ in "12"]
    content.include_in_bulk(recids, community)
    return World(community, recids, [])


def test_a_record_that_appears_behind_the_position_is_found(few, app, client, names):
    made = []

    def make_more(progress):
        if progress.records == len(few.recids) and not made:
            made.extend(content.make_record() for _ in range(4))

    run = _generation(app, names)
    run._progress, run._show_pace = make_more, _Always()
    run.run_all()
    found = {e["recid"] for e in community_events(client, names)}
    assert found == {*few.recids, *made}


@pytest.mark.parametrize("end", ["remove", "delete_community"])
def test_a_membership_that_ends_during_a_run_ends_in_the_events(
    end, few, app, client, names
):
    recid, community = few.recids[0], few.community
    ended = []

    def end_it(progress):
        if progress.records == len(few.recids) and not ended:
            if end == "remove":
                content.remove(recid, community)
            else:
                content.delete_community(community)
            ended.append(recid)

    run = _generation(app, names)
    run._progress, run._show_pace = end_it, _Always()
    run.run_all()
    last = [
        e["event_type"]
        for e in community_events(client, names, recid)
        if e["community_id"] == community
    ]
    assert last == ["added", "removed"]


def test_an_event_that_a_search_does_not_find_yet_is_not_written_twice(
    few, app, client, names
):
    rows = MembershipReader(db.engine).rows(few.recids)
    subcounts = app.extensions["invenio-stats-dashboard"].subcounts
    store = EventStore(client, names)
    store.ensure_templates()
    recorder = Recorder(store, subcounts, MembershipReader(db.engine))
    first = recorder.record(rows, "publish")
    before = documents(client, names.community_events)
    client.indices.put_settings(
        index=names.community_events, body={"index.refresh_interval": "-1"}
    )
    content.delete_record(few.recids[1])
    (row,) = MembershipReader(db.engine).rows([few.recids[1]])
    deleted = recorder.record([row], "deleted")
    again = recorder.record([row], "backfill")
    assert (first.events, deleted.events) == (len(before), 2)
    assert (again.events, again.conflicts) == (0, 2)
    assert {e["cause"] for e in community_events(client, names)} == {
        "publish",
        "deleted",
    }


def test_temporarily_refused_writes_are_repeated(few, app, client, names):
    _generation(app, names).run_all()
    events = _stored_events(client, names)
    content.delete_record(few.recids[1])
    _block(client, names, True)
    reasons = []

    def wait(reason):
        reasons.append(reason)
        if len(reasons) == 2:
            _block(client, names, False)

    report = _generation(app, names, waiting=wait, limit=30).run_all()
    assert report.events == 2
    assert len(_stored_events(client, names)) == len(events) + 2
    assert len(reasons) == 2
    assert all("cluster_block_exception" in reason for reason in reasons)


def test_permanently_refused_writes_stop_a_run_and_the_next_one_continues(
    few, app, client, names
):
    _generation(app, names).run_all()
    content.delete_record(few.recids[1])
    _block(client, names, True)
    with pytest.raises(SearchUnavailableError, match="again") as caught:
        _generation(app, names, limit=0.5).run_all()
    assert caught.traceback  # references everything that the run has left behind
    assert _open_transactions() == 0
    _block(client, names, False)
    assert _generation(app, names).run_all().events == 2


def test_a_record_with_a_refused_event_does_not_count_as_known(
    fresh, client, names, request
):
    community, recid = content.make_community(), content.make_record()
    content.include_in_bulk([recid], community)
    for table in ("rdm_records_metadata", "communities_metadata"):
        statement = f"UPDATE {table} SET created = '2020-01-01T00:00:00'"
        db.session.execute(sa.text(statement))
    db.session.commit()
    refusing = {"fail": {"if": "ctx.community_id != 'global'", "message": "no"}}
    pipeline = f"{names.prefix}refusing"
    client.ingest.put_pipeline(id=pipeline, body={"processors": [refusing]})
    request.addfinalizer(lambda: client.ingest.delete_pipeline(id=pipeline))
    settings = {"index.default_pipeline": pipeline}
    client.indices.create(
        index=names.community_events_year(2020), body={"settings": settings}
    )
    report = _generation(fresh, names).run_all()
    assert (report.events, len(set(report.refused))) == (0, 1)
    client.indices.put_settings(
        index=names.community_events, body={"index.default_pipeline": None}
    )
    assert _generation(fresh, names).run_all().events == 2
    events = _stored_events(client, names)
    assert [e["evidence"] for e in events] == ["created", "created"]


def _open_transactions():
    """Return the number of database connections that are idle in a transaction."""
    db.session.remove()
    return db.session.execute(
        sa.text(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND state LIKE 'idle in transaction%'"
        )
    ).scalar_one()


def _block(client, names, blocked):
    client.indices.put_settings(
        index=names.community_events, body={"index.blocks.write": blocked}
    )


def test_an_instance_without_records_can_be_complete(fresh, client, names):
    assert not backfill_state(client, names).complete
    assert _generation(fresh, names).run_all().complete
    assert backfill_state(client, names).complete
