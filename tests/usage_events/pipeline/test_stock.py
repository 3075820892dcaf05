# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The worker stores the same native fields of each event as the stock indexer."""

from datetime import UTC, datetime, timedelta

import pytest
from dateutil.parser import parse
from invenio_stats.processors import EventsIndexer
from invenio_stats.proxies import current_stats

from ...helpers.sites import DOWNLOAD, VIEW, Listed, downloads, views
from ...helpers.usage import native

ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
MACHINE = "python-requests/2.31.0"


def of_all_kinds(make, records):
    """Return events of all kinds of visitors, some of them twice within a window.

    Args:
        make: :func:`views` or :func:`downloads`.
        records: the records that are visited.
    """
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    begun = now.replace(second=now.second // 10 * 10).isoformat()  # the window
    address = {"ip_address": "8.8.8.8", "session_id": None}
    nobody = {"session_id": None}
    kinds = (
        {},
        {"referrer": "https://example.org/Übersicht?q=1"},
        {"user_id": "17"},
        address,
        {**address, "ip_address": "2001:200::1", "user_agent": MACHINE},
        {"user_agent": MACHINE},
        {"user_agent": ROBOT},
        {"user_agent": ""},
        {"via_api": True},
        {"recid": "of-nobody"},
        {"timestamp": "no time at all"},
        nobody,
    )
    found = [
        event
        for number, kind in enumerate(kinds)
        for event in make(60, records, 60 * number, **{"timestamp": begun, **kind})
    ]
    for event in found[::7]:
        if event["timestamp"] != "no time at all":
            later = parse(event["timestamp"]) + timedelta(seconds=3)
            found.append({**event, "timestamp": later.isoformat()})
    return found


@pytest.mark.parametrize(
    "event_type, event, make",
    [("view", VIEW, views), ("download", DOWNLOAD, downloads)],
)
def test_native_fields_are_those_of_the_stock_indexer(site, event_type, event, make):
    usage = site.usage
    events = of_all_kinds(make, usage.records)
    site.publish(events, event)
    (counts,) = site.done(event).values()
    assert counts[0] > 400 and counts[1] == 0
    site.work_off()
    params = {**current_stats.events[event].params, "prefix": "plain-events"}
    params["queue"] = Listed(f"stats-{event}", events)
    assert EventsIndexer(**params).run() == counts
    plain = f"{usage.names.prefix}plain-events-stats-{event}-*"
    stock, ours = dict(usage.seen(index=plain)), usage.seen(event_type)
    assert sorted(id for id, _ in ours) == sorted(stock)
    assert len(stock) < counts[0], "no event came twice"
    for id, source in ours:
        mine, theirs = native(source), stock[id]
        assert list(mine) == list(theirs)
        # only the time of indexing may differ
        assert mine.pop("updated_timestamp") and theirs.pop("updated_timestamp")
        assert mine == theirs
