# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the generators of events and content."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from scripts.demo.ledger import Ledger, checksum, digest
from scripts.demo.legacy_events import (
    generate,
    ghost_records,
    plan,
    synthetic_records,
    write,
)
from scripts.demo.proof import compare
from scripts.demo.story import COMMUNITIES, days_of, deposits, exists
from scripts.demo.writer import Reader, Writer

from .helpers import content
from .helpers.faults import until

MONTH = "2026-03"
STOCK = {"view": "record-view", "download": "file-download"}

RECORDS = synthetic_records(200, seed=7)


@pytest.fixture(params=STOCK)
def event_type(request):
    """Run a test for views and for downloads."""
    return request.param


def events_of(event_type, count=3000, seed=1, **options):
    """Return events of one month."""
    return list(generate(event_type, MONTH, count, RECORDS, seed, **options))


@cache
def many(event_type):
    """Return so many events that all kinds occur among them."""
    return tuple(events_of(event_type, 20_000))


# -- what needs no service ------------------------------------------------------


def test_the_same_seed_gives_the_same_events_and_another_one_others(event_type):
    assert events_of(event_type) == events_of(event_type)
    assert events_of(event_type) != events_of(event_type, seed=2)


def test_as_many_different_ids_as_requested_and_some_double_clicks(event_type):
    events = events_of(event_type)
    ids = {event_id for event_id, _ in events}
    assert len(ids) == 3000
    assert 3000 * 1.01 < len(events) < 3000 * 1.06


def test_a_double_click_has_a_later_time_within_the_window(event_type):
    first = {}
    for event_id, source in events_of(event_type):
        before = first.setdefault(event_id, source)
        assert before["timestamp"] <= source["timestamp"]
        assert before["timestamp"][:18] == source["timestamp"][:18]


def test_events_are_in_the_order_of_time_and_none_is_after_the_end(event_type):
    until = datetime(2026, 3, 20, 10, 30)
    times = [s["timestamp"] for _, s in events_of(event_type, until=until)]
    assert times == sorted(times)
    assert times[-1] < until.isoformat()


def test_a_record_has_events_only_between_its_creation_and_its_deletion():
    (record,) = synthetic_records(1, created=datetime(2026, 3, 5, 12))
    gone = datetime(2026, 3, 9, 12)
    record = type(record)(
        record.recid, record.parent_recid, record.created, record.files, gone
    )
    events = generate("view", MONTH, 500, [record])
    assert {s["timestamp"][:10] for _, s in events} == {
        "2026-03-06",
        "2026-03-07",
        "2026-03-08",
    }


def test_a_month_in_which_no_record_can_be_seen_is_refused():
    late = synthetic_records(3, created=datetime(2026, 4, 1))
    with pytest.raises(ValueError, match="No record can have a view in 2026-03"):
        next(generate("view", MONTH, 10, late))


def test_popularity_is_heavy_tailed():
    seen = {}
    for _, source in events_of("view"):
        seen[source["recid"]] = seen.get(source["recid"], 0) + 1
    top = sorted(seen.values(), reverse=True)
    assert sum(top[:20]) > sum(top) * 0.4


def test_what_is_odd_in_real_events_is_there():
    views = [s for _, s in many("view")]
    referrers = {s["referrer"] for s in views}
    assert None in referrers and "2024-01-15" in referrers
    assert any(r and not r.isascii() for r in referrers)
    assert any(r and len(r) > 8191 for r in referrers)
    assert {s["is_machine"] for s in views} == {True, False}
    assert {s["is_robot"] for s in views} == {True, False}
    assert None in {s["country"] for s in views}
    downloads = [s for _, s in many("download")]
    assert {type(s["size"]) for s in downloads} == {int, float}
    assert {s["via_api"] for s in downloads} == {True, False}


def test_the_plan_adds_up_and_grows():
    shares = plan(400_000, datetime(2026, 11, 25, 12))
    assert sum(shares.values()) == 400_000
    assert len(shares) == 36
    assert shares["view", "2026-10"] > 2 * shares["view", "2025-06"]
    assert shares["view", "2026-11"] < shares["view", "2026-10"]


def test_the_checksum_depends_on_each_event_and_not_on_the_order():
    events = {event_id: digest(source) for event_id, source in events_of("view", 100)}
    backwards = dict(reversed(events.items()))
    assert checksum(events) == checksum(backwards)
    one = next(iter(events))
    assert checksum(events) != checksum(events | {one: events[one] ^ 1})


def test_what_the_dashboard_adds_does_not_change_the_digest():
    _, source = events_of("view", 1)[0]
    ours = {"community_ids": ["x"], "subcounts": {}, "enriched_at": "2026-03-01"}
    assert digest(source | ours) == digest(source)
    assert digest(source | {"country": "XX"}) != digest(source)


END = datetime(2026, 11, 25)


@pytest.fixture(params=[(60, 12), (300, 18)], ids=["small", "full"])
def story(request):
    """Return the records of a story, and its length in days."""
    count, months = request.param
    days = days_of(months)
    return deposits(count, END, days=days), days


def test_a_story_is_as_long_as_the_months_that_it_has(story):
    planned, days = story
    first = min(community.created(END, days) for community in COMMUNITIES)
    assert days - 31 < (END - first).days <= days
    assert min(deposit.published for deposit in planned) > first


def test_nothing_happens_to_a_record_before_it_is_there_or_after_the_end(story):
    end, (planned, _) = END, story
    for deposit in planned:
        times = [deposit.drafted, deposit.published, *(s.at for s in deposit.steps)]
        assert times == sorted(times) and times[-1] < end


def test_records_come_into_communities_that_are_there_and_may_take_them(story):
    planned, days = story
    by_slug = {c.slug: c for c in COMMUNITIES}
    for deposit in planned:
        joins = [(deposit.community, deposit.published)] if deposit.community else []
        joins += [(s.community, s.at) for s in deposit.steps if s.community]
        for slug, at in joins:
            assert exists(by_slug[slug], at, END, days) or by_slug[slug].deleted
            assert deposit.access == "restricted" or not by_slug[slug].restricted


def test_the_story_has_all_that_the_dashboard_must_cope_with(story):
    story, _ = story
    kinds = {step.kind for deposit in story for step in deposit.steps}
    assert kinds == {
        *("include", "declined", "bulk", "remove", "version", "delete", "restore")
    }
    assert {d.path for d in story} == {"direct", "submission", "unreviewed"}
    assert len({d.access for d in story}) == 5


# -- against the stock indexer --------------------------------------------------


def test_fields_types_and_ids_are_those_of_the_stock_indexer(app, event_type):
    with app.app_context():
        real = _emitted(app, event_type)
        template = _types(real["_source"])
        for event_id, source in events_of(event_type, 1000):
            assert list(source) == list(real["_source"])
            for field, kinds in _types(source).items():
                assert kinds <= template[field] | _ALSO.get(field, set()), field
            assert event_id == _stock_id(app, event_type, source)
        assert real["_index"].endswith(f"events-stats-{STOCK[event_type]}-{_now()}")


_ALSO = {"referrer": {type(None)}, "country": {type(None)}, "size": {float}}
"""What else a field can be, beside what one real event shows."""


def _types(source):
    return {field: {type(value)} for field, value in source.items()}


def _now():
    return datetime.now(UTC).strftime("%Y-%m")


def _emitted(app, event_type):
    """Return the action that the stock indexer makes of one real event."""
    from invenio_access.permissions import system_identity
    from invenio_queues.proxies import current_queues
    from invenio_rdm_records.proxies import current_rdm_records_service
    from invenio_stats.receivers import build_event_emitter

    current_queues.declare()
    recid = content.make_record(files={"data.csv": b"1,2,3"})
    record = current_rdm_records_service.read(system_identity, recid)._record
    file = record.files["data.csv"].object_version
    with app.test_request_context(
        headers={
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
            "Referer": "https://www.example.org/",
        },
        environ_base={"REMOTE_ADDR": "8.8.8.8"},
    ):
        emit = build_event_emitter(STOCK[event_type], _stock_events())
        emit(app, record=record, obj=file, via_api=False)
    queue = current_queues.queues[f"stats-{STOCK[event_type]}"]
    (action,) = list(_indexer(event_type, queue).actionsiter())
    return action


def _stock_events():
    from invenio_app_rdm import config

    return config.STATS_EVENTS


def _indexer(event_type, queue, **params):
    from invenio_stats.processors import EventsIndexer

    return EventsIndexer(
        queue, **{**_stock_events()[STOCK[event_type]]["params"], **params}
    )


@dataclass
class _OneMessage:
    """A queue that holds one processed event."""

    message: dict
    routing_key: str = "stats-x"

    def consume(self):
        yield dict(self.message)


def _stock_id(app, event_type, source):
    """Return the id that the stock indexer gives to an event."""
    queue = _OneMessage(source)
    (action,) = list(_indexer(event_type, queue, preprocessors=[]).actionsiter())
    return action["_id"]


def test_the_stock_template_takes_all_events_and_holds_them_once(
    app, client, where, event_type
):
    prefix = f"{where.prefix}stock-"
    _put_stock_template(client, prefix, event_type)
    ledger = Ledger()
    events = _of_all_kinds(event_type)
    events += generate(event_type, MONTH, 50, ghost_records(seed=1), seed=3)
    ids = {event_id for event_id, _ in events}
    assert len(ids) < len(events), "no event is there twice"
    sent = write(client, prefix, event_type, events, ledger, batch=100)
    assert sent == len(events) > 20 * 100
    (month,) = compare(client, prefix, event_type, ledger)
    assert month.complete and month.found == len(ids)
    assert month.indices == (f"{prefix}events-stats-{STOCK[event_type]}-{MONTH}",)


def _of_all_kinds(event_type):
    """Return the first two thousand events, and one of each kind among many."""
    kinds = {}
    for event in many(event_type):
        source = event[1]
        kinds.setdefault((source["referrer"], type(source.get("size"))), event)
    odd = {id(event) for event in kinds.values()}
    return [e for n, e in enumerate(many(event_type)) if n < 2000 or id(e) in odd]


def test_the_proof_finds_what_is_missing_surplus_changed_and_twice(app, client, where):
    prefix = f"{where.prefix}proof-"
    _put_stock_template(client, prefix, "view")
    ledger = Ledger()
    write(client, prefix, "view", events_of("view", 100), ledger)
    first, second, third, *_ = ledger.months["view", MONTH]
    index = f"{prefix}events-stats-record-view-{MONTH}"
    source = client.get(index=index, id=second)["_source"]
    client.delete(index=index, id=first)
    client.index(index=index, id=second, body=source | {"country": "XX"})
    client.index(index=index, id="another", body=source)
    client.index(index=f"{index}-copy", id=third, body=source)
    (month,) = compare(client, prefix, "view", ledger)
    assert not month.complete
    assert month.missing == (first,) and month.surplus == ("another",)
    assert month.twice == 1 and month.changed >= 1 and month.unenriched == 100
    assert month.indices == (index, f"{index}-copy")


def _put_stock_template(client, prefix, event_type):
    """Put the index template that InvenioRDM ships, under another prefix."""
    from invenio_rdm_records.records.stats.templates import events as package

    folder = Path(package.__file__).parent / STOCK[event_type].replace("-", "_")
    (path,) = (folder / "os-v2").glob("*.json")
    text = path.read_text().replace("__SEARCH_INDEX_PREFIX__", prefix)
    client.indices.put_template(
        name=f"{prefix}{STOCK[event_type]}", body=json.loads(text)
    )


def test_the_writer_sends_again_what_a_write_block_refuses(app, client, where):
    prefix = f"{where.prefix}writer-"
    for kind in STOCK:
        _put_stock_template(client, prefix, kind)
        write(client, prefix, kind, events_of(kind, 50))
    ledger = Ledger()
    writer = Writer(client, prefix, RECORDS, ledger, rate=200)
    reader = Reader(client, prefix, "view", lambda: 50 + writer.sent["view"])
    for thread in (reader, writer):
        thread.start()
    until(lambda: writer.sent["view"] > 20, "some events are written")
    index = f"{prefix}events-stats-record-view-{_now()}"
    client.indices.put_settings(index=index, body={"index.blocks.write": True})
    time.sleep(0.6)
    client.indices.put_settings(index=index, body={"index.blocks.write": False})
    until(lambda: sum(writer.sent.values()) > 200, "more events are written")
    for thread in (writer, reader):
        thread.stop()
    assert writer.failure is None and reader.failure is None
    assert writer.retries > 0 and writer.longest_wait > 0.5
    assert writer.stored == writer.sent and sum(writer.sent.values()) > 200
    assert reader.seen > 20 and reader.wrong == []
    months = compare(client, prefix, "view", ledger)
    (now,) = [month for month in months if month.month == _now()]
    assert now.complete


def test_the_reader_notes_totals_that_are_too_small_or_too_large(app, client, where):
    prefix = f"{where.prefix}reader-"
    _put_stock_template(client, prefix, "view")
    write(client, prefix, "view", events_of("view", 50))
    index = f"{prefix}events-stats-record-view-{MONTH}"
    client.indices.refresh(index=index)
    reader = Reader(client, prefix, "view", lambda: 50)
    reader.turn()
    assert reader.wrong == [] and reader.last == 50
    client.delete_by_query(
        index=index, body={"query": {"match_all": {}}}, max_docs=1, refresh=True
    )
    reader.turn()
    assert "less than 50 before" in reader.wrong[0]
    write(client, prefix, "view", events_of("view", 60, seed=2))
    client.indices.refresh(index=index)
    reader.turn()
    assert "more than the 50 that were written" in reader.wrong[1]
    client.indices.delete(index=index)
    reader.turn()
    assert len(reader.wrong) == 3
