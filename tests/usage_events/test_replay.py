# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Dead letters are replayed, and the stock aggregations count their days again."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from invenio_stats.proxies import current_stats
from invenio_stats.tasks import aggregate_events

from invenio_stats_dashboard.errors import SearchUnavailableError
from invenio_stats_dashboard.search.client import json_client, text_client
from invenio_stats_dashboard.usage_events.replay import Replay

from ..helpers.commands import run
from ..helpers.processes import Forked, kill_me
from ..helpers.statistics import documents
from .test_dead_letters import MONTH, letters, store_letters, stored_letters

AGGREGATION = "record-view-agg"


def lacking(usage, count):
    """Create a month whose numbers are counted, and refused events of the month.

    Returns:
        dict: all its events, including those of the dead letters.
    """
    events = usage.legacy("view", MONTH, 60)
    # not up to today, because each day takes two searches
    aggregate_events([AGGREGATION], end_date=f"{MONTH}-31")
    found = letters(usage, count)
    store_letters(usage, found)
    return {**events, **{h["_id"]: json.loads(source) for h, source, _ in found}}


def unmarked(events):
    """Return events by id without their time of indexing."""
    return {
        id: {k: v for k, v in source.items() if k != "updated_timestamp"}
        for id, source in events.items()
    }


def daily(usage):
    """Return the counts of the stock aggregation: (record, day) -> views."""
    found = documents(usage.client, f"{usage.names.prefix}stats-record-view")
    return {
        (s["unique_id"], s["timestamp"][:10]): s["count"] for s, *_ in found.values()
    }


def plainly_counted(events):
    """Return the same counts, computed from the events themselves."""
    return dict(
        Counter(
            (s["unique_id"], s["timestamp"][:10])
            for s in events.values()
            if not s["is_robot"]
        )
    )


def move_bookmark(days):
    """Set the bookmark of the stock aggregation as if it had counted up to some day."""
    config = current_stats.aggregations[AGGREGATION]
    aggregator = config.cls(name=config.name, **config.params)
    moment = datetime.now(UTC) + timedelta(days=days)
    aggregator.bookmark_api.set_bookmark(moment.isoformat())
    aggregator.client.indices.refresh(index=aggregator.bookmark_api.bookmark_index)


@pytest.mark.parametrize("ahead", [0, 1])
def test_dead_letters_are_replayed_and_daily_numbers_are_correct(usage, ahead):
    events = lacking(usage, 40)
    move_bookmark(ahead)
    assert daily(usage) != plainly_counted(events)
    before = datetime.now(UTC)
    done = usage.service.replay()
    assert (done.letters, done.stored, done.already_there, done.refused) == (
        40,
        40,
        0,
        0,
    )
    seen = usage.seen()
    assert len(seen) == 100 and unmarked(dict(seen)) == unmarked(events)
    fresh = [
        s
        for _, s in seen
        if datetime.fromisoformat(s["updated_timestamp"]).replace(tzinfo=UTC) >= before
    ]
    assert len(fresh) == 40
    assert daily(usage) == plainly_counted(events)
    assert stored_letters(usage) == {}
    assert usage.service.replay().letters == 0


@pytest.mark.parametrize("step", ["create", "count", "remove"])
def test_killed_at_any_step_the_next_run_does_the_rest(usage, step):
    events = lacking(usage, 30)
    child = Forked(
        usage.app,
        lambda: usage.service.replay(step=lambda s: kill_me() if s == step else None),
    )
    assert child.wait() is None
    assert len(stored_letters(usage)) == 30
    move_bookmark(1)
    done = usage.service.replay()
    there = 0 if step == "create" else 30
    assert (done.stored, done.already_there) == (30 - there, there)
    assert unmarked(dict(usage.seen())) == unmarked(events)
    assert daily(usage) == plainly_counted(events)
    assert stored_letters(usage) == {}


def test_a_stored_event_is_not_overwritten(usage):
    usage.legacy("view", MONTH, 5)
    id, stored = usage.seen()[0]
    index = usage.names.events_month("view", MONTH)
    head = {"_index": index, "_id": id, "_op_type": "index"}
    other = json.dumps({**stored, "country": "XX"}).encode()
    store_letters(usage, [(head, other, "a reason")])
    assert usage.service.replay(dry_run=True).already_there == 1
    done = usage.service.replay()
    assert (done.stored, done.already_there) == (0, 1)
    assert dict(usage.seen())[id] == stored
    assert stored_letters(usage) == {}


def test_an_event_refused_again_stays_with_the_newest_reason(usage):
    usage.legacy("view", MONTH, 5)
    good, bad = letters(usage, 2)
    source = {**json.loads(bad[1]), "timestamp": "no date at all"}
    store_letters(
        usage, [good, (bad[0], json.dumps(source).encode(), "the first reason")]
    )
    result = run(usage.app, "usage-events", "replay", "--json")
    assert result.exit_code == 1
    done = result.document
    assert (done["stored"], done["refused"]) == (1, 1)
    assert "failed to parse field [timestamp]" in done["reason"]
    ((_, letter),) = stored_letters(usage).items()
    assert letter["id"] == bad[0]["_id"] and letter["reason"] == done["reason"]
    assert letter["source"] == source
    assert len(usage.seen()) == 6


def test_an_event_that_cannot_be_read_is_not_counted_as_missing(usage):
    store_letters(usage, letters(usage, 2))
    index = usage.names.events_month("view", MONTH)
    nowhere = {"index.routing.allocation.require._name": "no-such-node"}
    usage.client.indices.create(
        index=index,
        body={"settings": nowhere},
        params={"wait_for_active_shards": "0"},
    )
    client, text = json_client(usage.app, max_retries=0), text_client(usage.app)
    replay = Replay(client, text, usage.names, limit=1)
    with pytest.raises(SearchUnavailableError, match="did not answer"):
        replay.run(dry_run=True)


def test_a_dry_run_changes_nothing_and_says_so(usage):
    lacking(usage, 7)
    before = stored_letters(usage)
    result = run(usage.app, "usage-events", "replay", "--dry-run")
    assert result.exit_code == 0
    assert "7 events would be indexed" in result.out
    assert stored_letters(usage) == before and len(usage.seen()) == 60


def test_dead_letters_are_replayed_in_bounded_batches_into_a_migrated_month(usage):
    events = usage.legacy("view", MONTH, 20)
    usage.migrate()
    found = letters(usage, 25)
    store_letters(usage, found)
    steps = []
    done = usage.service.replay(step=steps.append, batch=10)
    assert done.stored == 25 and steps.count("create") == 3
    target = usage.names.events_target("view", MONTH)
    assert len(usage.seen(index=target)) == len(events) + 25


def test_status_reports_dead_letters_until_they_are_replayed(usage):
    usage.legacy("view", MONTH, 5)
    usage.migrate()
    assert run(usage.app, "usage-events", "status").exit_code == 0
    store_letters(usage, letters(usage, 2, reason="a mapper [complains]"))
    status = run(usage.app, "usage-events", "status")
    assert status.exit_code == 1
    assert "2 events are stored as dead letters" in status.out
    assert "a mapper [complains]" in status.out
    document = run(usage.app, "usage-events", "status", "--json").document
    assert document["needs_attention"] is True
    assert document["dead_letters"]["count"] == 2
    assert document["dead_letters"]["reason"] == "a mapper [complains]"
    assert usage.service.replay().stored == 2
    assert run(usage.app, "usage-events", "status").exit_code == 0


def test_a_dead_letter_that_is_stored_again_during_a_replay_stays(usage):
    usage.legacy("view", MONTH, 5)
    found = letters(usage, 3)
    store_letters(usage, found)
    again = [(found[0][0], found[0][1], "refused just now")]
    usage.service.replay(
        step=lambda s: store_letters(usage, again) if s == "remove" else None
    )
    assert [x["reason"] for x in stored_letters(usage).values()] == ["refused just now"]
    assert usage.service.replay().already_there == 1
    assert stored_letters(usage) == {}
