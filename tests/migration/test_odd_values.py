# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""An event with unusual values stops no run; it is migrated like all others."""

import json
import random
from datetime import UTC, datetime

import pytest

from invenio_stats_dashboard.search.mappings import ENRICHED_FIELDS

from ..helpers.commands import run
from ..helpers.usage import native, stock_body

NUMBERS = (0, 7, 1250535, -1.5, 1e17, 2**62, True, False)
TEXTS = (
    "",
    "a",
    "a\0b",
    "\ud800",
    " ",
    "x" * 600,
    "é\u202e",
    '"}],"community_ids":[],"',
    "\\",
    "2026-01-01",
)


def NOW():
    """Return a moment at which every month of these tests is past."""
    return datetime(2026, 11, 20, tzinfo=UTC)


def month_of_views(usage, month="2026-03", count=20):
    """Create a month whose mapping accepts fields with names of the enrichment."""
    mappings = {**stock_body(usage.app, "view")["mappings"], "dynamic": False}
    return usage.legacy("view", month, count, mappings=mappings)


def store(usage, id, source, month="2026-03"):
    """Store an event as it is; return the error of OpenSearch, or None."""
    index = usage.names.events_month("view", month)
    lines = [json.dumps({"index": {"_id": id}}), source]
    answer = usage.client.transport.perform_request(
        "POST",
        f"/{index}/_bulk",
        params={"refresh": "true"},
        body="\n".join(lines) + "\n",
    )
    return answer["items"][0]["index"].get("error")


def event(usage, **fields):
    """Return the source of a view with other fields."""
    ((_, source),) = usage.events("view", "2026-03", 1, 99)
    return {**source, **fields}


def without_enrichment(source):
    """Return the fields that the site wrote."""
    return {k: v for k, v in source.items() if k not in ENRICHED_FIELDS}


@pytest.mark.parametrize(
    ("fields", "is_odd"),
    [
        ({"recid": 1250535}, False),
        ({"recid": ["a", "b"]}, True),
        ({"recid": 1.5}, False),
        ({"visitor_id": 17, "country": ["DK", "SE"], "referrer": 1}, False),
        ({"community_ids": "x"}, True),
        ({"subcounts": {"a": "b"}}, True),
        ({"enriched_at": False}, True),
        ({"enriched_at": "never"}, True),
        ({"enriched_at": "2024-01-01T10:00:00"}, True),
        ({"enriched_at": "2024-01-01 10:00:00"}, True),
        ({"enriched_at": "xxxxxxxxxxTxxxxx:xx"}, True),
        ({"subcounts": {"a": ["b"]}}, True),
        ({"community_ids": ["x"]}, True),
        ({"community_ids": None}, True),
        ({"community_ids": "x", "referrer": "\ud800"}, True),
        ({"recid": "a\0b"}, False),
        ({"timestamp": "2026-03-05T12:00:00.5+01:00"}, False),
    ],
    ids=str,
)
def test_an_unusual_value_stops_no_month(usage, fields, is_odd):
    events = month_of_views(usage)
    usage.legacy("view", "2026-04", 20)
    source = event(usage, **fields)
    assert store(usage, "unusual", json.dumps(source)) is None
    report = usage.service.reindex_events(now=NOW)
    assert report.completed, report.as_json()
    march, april = report.months
    assert (march.state, april.state, april.odd_events) == ("done", "done", 0)
    assert march.odd_event_ids == (["unusual"] if is_odd else [])
    assert march.odd_events == int(is_odd)
    seen = dict(usage.seen())
    assert len(seen) == 41
    assert without_enrichment(seen["unusual"]) == without_enrichment(source)
    assert seen["unusual"]["enriched_at"]
    assert isinstance(seen["unusual"]["community_ids"], list)
    assert seen["unusual"]["subcounts"] != fields.get("subcounts", ())
    assert {id: native(seen[id]) for id in events} == events
    (outcome,) = usage.service.rollback(("view",), ("2026-03",), now=NOW)
    assert outcome.error is None


def test_an_event_of_several_lines_is_copied(usage):
    month_of_views(usage)
    source = event(usage)
    text = json.dumps(source, indent=1).replace("\n", "\r\n")
    index = usage.names.events_month("view", "2026-03")
    usage.client.transport.perform_request(
        "PUT",
        f"/{index}/_doc/lines",
        params={"refresh": "true"},
        body=text,
        headers={"content-type": "application/json"},
    )
    report = usage.service.reindex_events(now=NOW)
    assert report.completed, report.as_json()
    assert without_enrichment(dict(usage.seen())["lines"]) == source
    (outcome,) = usage.service.rollback(("view",), ("2026-03",), now=NOW)
    assert outcome.error is None


@pytest.mark.parametrize("seed", [1])
def test_events_with_any_values_are_migrated_unchanged(usage, seed):
    rng = random.Random(seed)
    month_of_views(usage)
    names = [*event(usage), *ENRICHED_FIELDS]
    stored = {}
    for number in range(400):
        fields = {
            name: any_value(rng) for name in rng.sample(names, rng.choice((1, 1, 2, 4)))
        }
        source = event(usage, **fields)
        if store(usage, f"any-{number}", json.dumps(source)) is None:
            stored[f"any-{number}"] = source
    assert len(stored) > 50
    report = usage.service.reindex_events(now=NOW)
    assert report.completed, report.failed[0].errors
    seen = dict(usage.seen())
    assert seen.keys() >= stored.keys() and len(seen) == len(stored) + 20
    for id, source in stored.items():
        assert without_enrichment(seen[id]) == without_enrichment(source), source
        assert isinstance(seen[id]["enriched_at"], str), source
    assert usage.service.rollback(("view",), ("2026-03",), now=NOW)[0].error is None


def any_value(rng):
    """Return a JSON value by chance."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice(NUMBERS)
    if kind == 1:
        return rng.choice(TEXTS)
    if kind == 2:
        return None
    if kind == 3:
        return [any_value(rng) for _ in range(rng.randrange(4))]
    if kind == 4:
        return {rng.choice(("a", "b")): any_value(rng)}
    return str(rng.choice(NUMBERS))


def test_odd_events_are_listed_until_they_are_acknowledged(usage):
    month_of_views(usage)
    source = json.dumps(event(usage, recid=["a", "b"]))
    for number in range(12):
        assert store(usage, f"odd-{number:02d}", source) is None
    assert usage.service.reindex_events(now=NOW).completed
    status = usage.service.status(now=NOW)
    assert (status.odd_events.count, status.odd_events.new) == (12, 12)
    assert status.odd_events.ids == [f"odd-{number:02d}" for number in range(10)]
    assert status.needs_attention
    done = run(usage.app, "usage-events", "odd", "--json")
    (month,) = json.loads(done.out)
    assert (month["event_type"], month["month"]) == ("view", "2026-03")
    assert month["events"][11] == {"id": "odd-11", "fields": ["recid"]}
    shown = run(usage.app, "usage-events", "odd", "--acknowledge").out
    assert "odd-11: recid" in shown and "0 of them not acknowledged" in shown
    status = usage.service.status(now=NOW)
    assert (status.odd_events.count, status.odd_events.new) == (12, 0)
    assert not status.needs_attention
