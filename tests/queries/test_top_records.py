# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The numbers of the most used records are exact, for any distribution on shards."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from invenio_stats_dashboard.errors import UsageError
from invenio_stats_dashboard.permissions import guest_identity
from invenio_stats_dashboard.reports import top_records
from invenio_stats_dashboard.reports.top_records import Listing, candidates, most
from invenio_stats_dashboard.services.most_used_records import most_used_records

from ..aggregations.usage.build import BLUE, RED, Events
from ..conftest import remove_statistics
from ..helpers import reference
from ..helpers.usage import without_templates

MONTHS = ("2026-01", "2026-02", "2026-03")
FIRST, LAST = "2026-01-01", "2026-03-31"
FIELDS = {"records": "recid", "parents": "parent_recid"}


@pytest.fixture()
def events(app, client, names):
    """Return the usage events of an instance that has none yet."""
    remove_statistics(client, names)
    return Events(app, client, names)


def found(events, community="global", by="views", of="records", **arguments):
    """Return the service's rows, as (identifier or None, number), and the total."""
    arguments = {"start_date": FIRST, "end_date": LAST, "size": 100, **arguments}
    events.client.indices.refresh(index=f"{events.names.prefix}events-*")
    with events.app.app_context():
        answer = most_used_records(
            events.app, community, guest_identity(), by, of, **arguments
        )
    assert [row.rank for row in answer.rows] == list(range(1, len(answer.rows) + 1))
    return [row.count for row in answer.rows], answer.total


def wanted(events, community="global", part="view", of="records", days=(FIRST, LAST)):
    """Return the records that a plain count gives, the most first, and the total."""
    counted = [
        event
        for event in events.stored[part].values()
        if reference.counts(
            part, event, events.app.config["STATS_DASHBOARD_COUNT_ROBOTS"]
        )
        and days[0] <= event["timestamp"][:10] <= days[1]
        and community in ("global", *event.get("community_ids", ()))
    ]
    counts = Counter(event.get(FIELDS[of]) for event in counted)
    del counts[None]
    return sorted(counts.items(), key=lambda c: (-c[1], c[0])), len(counted)


def reader(events, field="recid"):
    return top_records.TopRecordsReader(
        events.client, events.names.events_alias("view"), {"match_all": {}}, field
    )


NUMBERS = st.lists(
    st.tuples(st.integers(0, 11), st.sampled_from(MONTHS), st.integers(1, 6)),
    max_size=25,
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(numbers=NUMBERS, depths=st.sampled_from([(1,), (2, 4), (3,), (8,)]))
def test_exact_however_little_each_shard_returns(
    app, client, names, monkeypatch, numbers, depths
):
    monkeypatch.setattr(top_records, "DEPTHS", depths)
    monkeypatch.setattr(top_records, "PAGE", 3)
    remove_statistics(client, names)
    events = Events(app, client, names)
    for month in MONTHS:
        body = {"settings": {"number_of_shards": 2}}
        client.indices.create(index=names.events_month("view", month), body=body)
    made = []
    for record, month, count in numbers:
        for _ in range(count):
            id, source = events.event(len(made), f"{month}-05T00:00:00")
            made.append((f"{id}", {**source, "recid": f"rec-{record:02d}"}))
    if made:
        events.write(made)
    client.indices.refresh(index=f"{names.prefix}events-*")
    counts, total = wanted(events)
    for size in (1, 2, 3, 5, 100):
        answer = reader(events).read(size)
        assert (answer.counts, answer.total) == (counts[:size], total)


# in one shard, "a" is not among the three that it reports
@example(shards=[{"a": 5, "e": 14, "c": 6, "d": 6}, {"a": 10}], depth=3, size=1)
@given(
    shards=st.lists(
        st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 20)), max_size=4
    ),
    depth=st.integers(1, 5),
    size=st.integers(1, 5),
)
def test_candidates_hold_the_most_used(shards, depth, size):
    reported = [dict(most(shard.items(), depth)) for shard in shards]
    error = sum(min(t.values()) for t in reported if len(t) == depth)
    some = Counter()
    for one in reported:
        some.update(one)
    listed = most(some.items(), depth)
    listing = Listing(listed, error, full=len(listed) == depth)
    all_ = Counter()
    for shard in shards:
        all_.update(shard)
    candidate = candidates(listing, size)
    if error and candidate is not None:
        exact = [(record, all_[record]) for record in candidate]
        assert most(exact, size) == most(all_.items(), size)


def test_two_requests_are_enough_where_some_are_used_more_than_others(
    events, monkeypatch
):
    monkeypatch.setattr(top_records, "DEPTHS", (5,))
    made = []
    for month in MONTHS:
        for record in range(9):
            for n in range((9 - record) ** 2):
                id, source = events.event(n, f"{month}-05T00:00:{n % 60:02d}")
                made.append((f"{id}-{record}", {**source, "recid": f"rec-{record}"}))
    events.write(made)
    events.client.indices.refresh(index=f"{events.names.prefix}events-*")
    searches = []
    read = reader(events)
    search = read._search
    read._search = lambda aggregation: searches.append(aggregation) or search(
        aggregation
    )
    assert read.read(2).counts == [("rec-0", 243), ("rec-1", 192)]
    assert len(searches) == 2


@pytest.mark.parametrize("count_robots", [False, True])
@pytest.mark.parametrize("of", ["records", "parents"])
@pytest.mark.parametrize(("by", "part"), [("views", "view"), ("downloads", "download")])
def test_what_counts_is_what_the_aggregates_count(
    events, monkeypatch, by, part, of, count_robots
):
    monkeypatch.setitem(events.app.config, "STATS_DASHBOARD_COUNT_ROBOTS", count_robots)
    days = [f"{month}-{day}" for month in MONTHS for day in ("01", "15", "28")]
    events.days(days, each=11, kind=part, communities=(RED, BLUE))
    events.days(days[:4], each=3, kind=part, communities=(BLUE,), first=500)
    for first, is_robot in enumerate(([], True, "true", None, "false"), 1):
        events.days(days, each=3, kind=part, first=1000 * first, is_robot=is_robot)
    events.days(days, each=4, kind=part, first=9000, via_api=True)
    for community in ("global", RED, BLUE):
        answer, total = found(events, community, by, of)
        counts, number = wanted(events, community, part, of)
        assert answer == [count for _, count in counts] and total == number


def test_the_requested_days_are_counted_completely(events):
    for day in ("2026-02-01", "2026-02-28", "2026-03-01"):
        for time in ("00:00:00", "23:59:59"):
            events.write([events.event(len(events.stored["view"]), f"{day}T{time}")])
    days = ("2026-02-28", "2026-02-28")
    answer = found(events, start_date=days[0], end_date=days[1])
    counts, total = wanted(events, days=days)
    assert answer == ([count for _, count in counts], total) and total == 2


def test_an_event_that_is_not_enriched_counts_for_the_instance_alone(events):
    id, source = events.event(1, "2026-03-05T00:00:00")
    for field in ("community_ids", "subcounts", "enriched_at"):
        del source[field]
    events.write([(id, source)])
    assert found(events) == ([1], 1)
    assert found(events, RED) == ([], 0)


def test_months_that_are_not_requested_are_not_read(events):
    # one in which the question could not be answered
    alias = events.names.events_alias("view")
    with without_templates(events.client, alias):
        events.client.indices.create(
            index=f"{alias}-2019-01",
            body={
                "aliases": {alias: {}},
                "mappings": {
                    "properties": {
                        "recid": {"type": "text"},
                        "timestamp": {"type": "date"},
                    }
                },
            },
        )
    source = {"timestamp": "2019-01-05T00:00:00", "recid": "a"}
    events.client.index(index=f"{alias}-2019-01", body=source)
    events.days(["2026-03-05"], each=1)
    assert found(events) == ([1], 1)


def test_an_instance_without_events_has_an_empty_list(events):
    assert found(events) == ([], 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"by": "likes"}, "'likes' is not allowed for 'by'; use 'views' or 'downl"),
        ({"of": "files"}, "'files' is not allowed for 'of'; use 'parents' or 'rec"),
        ({"size": 0}, "from 1 to 100"),
        ({"size": 101}, "from 1 to 100"),
        ({"size": "10"}, "from 1 to 100"),
        ({"start_date": "yesterday"}, "write it as YYYY-MM-DD"),
        ({"start_date": "2026-04-01", "end_date": "2026-03-31"}, "The range is empty"),
        ({"start_date": "2999-01-01", "end_date": None}, "which is today"),
    ],
)
def test_a_mistake_gets_a_sentence(events, arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        found(events, **arguments)
