# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Readers see every event once before, during and after a migration."""

from contextlib import ExitStack

from invenio_stats.tasks import aggregate_events

from invenio_stats_dashboard.migration.months import utc_now
from scripts.demo.bulk import write

from ..helpers.faults import At
from ..helpers.statistics import documents
from ..helpers.usage import Reader, Writer

PAST = "2026-03"
ARGUMENTS = {"batch_size": 100, "ignore_stock_workers": True}
AGGREGATIONS = ["record-view-agg", "file-download-agg"]


def _current():
    return utc_now().strftime("%Y-%m")


def test_totals_are_right_all_along_while_50_events_a_second_arrive(events_of):
    usage, months = events_of, (PAST, _current())
    least = {"view": 0, "download": 0}
    events = {"view": {}, "download": {}}
    for event_type in least:
        for month in months:
            events[event_type].update(usage.legacy(event_type, month, 300))
        least[event_type] = len(events[event_type])
    with ExitStack() as stack:
        # 50 a second in all: some late ones of the past month, most of this one
        writers = {
            event_type: [
                stack.enter_context(Writer(usage, event_type, month, per, seed))
                for month, per, seed in ((PAST, 10, 71), (_current(), 15, 72))
            ]
            for event_type in least
        }
        readers = {
            event_type: Reader(usage, event_type, least[event_type], _All(found))
            for event_type, found in writers.items()
        }
        with readers["view"], readers["download"]:
            report = usage.migrate(**ARGUMENTS)
    assert report["completed"], report
    for event_type, reader in readers.items():
        for writer in writers[event_type]:
            assert writer.confirmed > 20
            events[event_type].update(writer.written)
        assert reader.polls > 100
        assert reader.wrong == []
        usage.assert_seen(events[event_type], event_type)


class _All:
    """Several writers as one."""

    def __init__(self, writers):
        self._writers = writers

    @property
    def written(self):
        """Return all that was ever sent."""
        return {id: s for w in self._writers for id, s in list(w.written.items())}


def _aggregated(usage):
    """Run the stock aggregation from the beginning, and return what it wrote."""
    client, prefix = usage.client, usage.names.prefix
    client.indices.delete(
        index=f"{prefix}stats-record-view*,{prefix}stats-file-download*,"
        f"{prefix}stats-bookmarks*",
        ignore=[404],
    )
    aggregate_events(AGGREGATIONS)
    found = {
        **documents(client, f"{prefix}stats-record-view"),
        **documents(client, f"{prefix}stats-file-download"),
    }
    assert found
    drop = ("updated_timestamp",)
    return {
        key: {k: v for k, v in source.items() if k not in drop}
        for key, (source, *_) in found.items()
    }


def _recent(usage, event_type, count, seed=1):
    """Create the current month with events of the last three days, and return them.

    The stock aggregation sends requests for each day since the first event, so it takes
    long at the end of a month in which all days have events.
    """
    today, month = utc_now().replace(tzinfo=None), _current()
    usage.legacy_index(event_type, month)
    events = {}
    for number, (id, source) in enumerate(usage.events(event_type, month, count, seed)):
        day = max(today.day - number % 3, 1)
        timestamp = f"{month}-{day:02d}{source['timestamp'][10:]}"
        events[f"{timestamp}-{id}"] = {**source, "timestamp": timestamp}
    write(usage.client, usage.names.prefix, event_type, events.items())
    usage.client.indices.refresh(index=usage.names.events_alias(event_type))
    return events


POINTS = ("bookmark written", "verify", "block", "clone", "last call", "switched")


def test_stock_aggregation_gives_the_same_numbers_at_any_step(events_of):
    usage = events_of
    for event_type in ("view", "download"):
        _recent(usage, event_type, 200)
    before = _aggregated(usage)
    met = []

    def step(point):
        if point in POINTS and point not in met:
            met.append(point)
            assert _aggregated(usage) == before, point

    report = usage.migrate(step=step, **ARGUMENTS)
    assert report["completed"], report
    assert set(met) == set(POINTS)
    assert _aggregated(usage) == before


def test_incremental_stock_aggregation_goes_on_through_a_migration(events_of):
    usage, month = events_of, _current()
    _recent(usage, "view", 200)
    _aggregated(usage)
    usage.migrate(step=At("block", lambda: aggregate_events(AGGREGATIONS)), **ARGUMENTS)
    # of today, since the stock bookmark has passed the days before
    moment = utc_now().replace(tzinfo=None).isoformat(timespec="seconds")
    late = {
        f"{moment}-{id}": {
            **source,
            "timestamp": moment,
            "updated_timestamp": utc_now().isoformat(),
        }
        for id, source in usage.events("view", month, 50, seed=41)
    }
    write(usage.client, usage.names.prefix, "view", late.items())
    usage.client.indices.refresh(index=usage.names.events_alias("view"))
    aggregate_events(AGGREGATIONS)
    prefix = usage.names.prefix
    found = documents(usage.client, f"{prefix}stats-record-view")
    incremental = {
        key: {k: v for k, v in source.items() if k != "updated_timestamp"}
        for key, (source, *_) in found.items()
    }
    again = _aggregated(usage)
    assert incremental == again
