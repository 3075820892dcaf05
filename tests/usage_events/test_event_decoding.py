# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fields of events are read as OpenSearch reads them, also those of other types."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from invenio_stats_dashboard.aggregations.usage.event_columns import CountedEvent
from invenio_stats_dashboard.reports.counter.usage import UseEvent
from invenio_stats_dashboard.usage_events.enrichment import EventHead
from invenio_stats_dashboard.usage_events.event_decoding import (
    UNREADABLE,
    EventDecoder,
    readable_time,
    texts_of,
)

KINDS = (CountedEvent, EventHead, UseEvent)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted({name for kind in KINDS for name in kind.__struct_fields__})


def decoded(kind, source):
    """Return the fields of an event that differ from the defaults, and the odd ones."""
    text = source if isinstance(source, bytes) else json.dumps(source).encode()
    event, odd = EventDecoder(kind).decode(text)
    fields = msgspec.structs.asdict(event)
    return {k: v for k, v in fields.items() if v not in (None, "", UNSET)}, odd


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("recid", 1250535, "1250535"),
        ("recid", 1.5, "1.5"),
        ("recid", 1e3, "1000.0"),
        ("recid", True, "true"),
        ("recid", ["a"], "a"),
        ("recid", [["a"], ["a"]], "a"),
        ("recid", [], None),
        ("recid", [""], None),
        ("visitor_id", 17, "17"),
        ("country", ["DK", "SE"], ("DK", "SE")),
        ("country", 45, "45"),
        ("referrer", 1, "1"),
        ("size", "12.5", 12.5),
        ("size", [7], 7.0),
        ("size", "", None),
        ("is_robot", "true", True),
        ("is_robot", "", False),
        ("is_robot", ["false"], False),
        ("timestamp", 1772323343000, "2026-03-01T00:02:23"),
        ("timestamp", ["2026-03-01T00:02:23"], "2026-03-01T00:02:23"),
    ],
)
def test_a_value_of_another_type_is_read_as_opensearch_reads_it(field, value, read):
    source = {"parent_recid": "p", field: value}
    expected = {"parent_recid": "p", **({} if read is None else {field: read})}
    assert decoded(CountedEvent, source) == (expected, ())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recid", ["a", "b"]),
        ("recid", {"a": 1}),
        ("visitor_id", [1, True]),
        ("size", 1e300),
        ("size", "many"),
        ("size", False),
        ("is_robot", 1.5),
        ("timestamp", {"a": 1}),
        ("timestamp", ["2026-03-01", "2026-03-02"]),
        ("country", {"iso": "DE"}),
    ],
)
def test_a_value_that_cannot_be_read_is_unknown_and_its_field_is_named(field, value):
    source = {"parent_recid": 5, field: value}
    assert decoded(CountedEvent, source) == ({"parent_recid": "5"}, (field,))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("community_ids", "x"),
        ("community_ids", [1]),
        ("subcounts", ["a"]),
        ("enriched_at", False),
    ],
)
def test_fields_of_the_site_with_names_of_the_enrichment_are_named(field, value):
    assert decoded(EventHead, {"recid": "r", field: value}) == (
        {"recid": "r"},
        (field,),
    )


@pytest.mark.parametrize("recid", ["r", 17], ids=["usual", "field by field"])
def test_a_missing_field_differs_from_an_empty_one(recid):
    decoder = EventDecoder(EventHead)
    missing = decoder.decode(json.dumps({"recid": recid}).encode()).event
    assert missing.subcounts is UNSET
    source = json.dumps({"recid": recid, "subcounts": None}).encode()
    assert decoder.decode(source).event.subcounts is None


@pytest.mark.parametrize(
    "source",
    [b"[]", b"{", b'"a"', b"[" * 100_000],
    ids=["list", "cut off", "text", "deep"],
)
def test_what_is_no_object_is_unreadable(source):
    assert decoded(EventHead, source) == ({}, (UNREADABLE,))


def test_readable_values_remain_beside_unreadable_ones():
    source = {"subcounts": {"languages": ["deu"], "b": "2", "c": {"d": 1}}}
    assert decoded(EventHead, source) == (
        {"subcounts": {"languages": ["deu"], "b": ["2"], "c": []}},
        ("subcounts",),
    )


def test_a_number_is_read_as_it_is_written():
    assert decoded(EventHead, b'{"recid": 1.50}') == ({"recid": "1.50"}, ())


def test_a_lone_surrogate_is_replaced():
    found, odd = decoded(EventHead, b'{"recid": "a\\ud800"}')
    assert found["recid"].startswith("a") and not odd
    found["recid"].encode()


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_values_can_be_decoded(kind, source):
    event, odd = EventDecoder(kind).decode(json.dumps(source).encode())
    for name in kind.__struct_fields__:
        value = getattr(event, name)
        if name in odd and name != "subcounts":  # the readable values remain
            assert value in (None, "")
        if isinstance(value, str):
            value.encode()


@given(JSON)
def test_texts_are_distinct_and_not_empty(value):
    found = texts_of(value)
    assert len(found) == len(set(found)) and "" not in found
    assert all(isinstance(text, str) for text in found)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-03-01T00:02:23", "2026-03-01T00:02:23"),
        ("2026-03-01T00:02:23.999Z", "2026-03-01T00:02:23"),
        ("2026-03-01T00:02:23+02:00", "2026-02-28T22:02:23"),
        ("1772323343000", "2026-03-01T00:02:23"),
        ("2026-03", "2026-03-01T00:00:00"),
        ("2026", "2026-01-01T00:00:00"),
        ("03/01/2026", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read_in_all_forms(text, read):
    assert readable_time(text) == read
