# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Enrichment can be distinguished from what the site wrote, byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invenio_stats_dashboard.community_events.facts import RecordFacts
from invenio_stats_dashboard.community_events.lookup import RecordContext
from invenio_stats_dashboard.community_events.timeline import Timeline
from invenio_stats_dashboard.migration.fingerprints import fingerprint
from invenio_stats_dashboard.usage_events.enrichment import Splicer, native_bytes

STAMP = "2026-11-01T00:00:00+00:00"
TEXTS = st.text(st.sampled_from('ab"\\{}[],:é \n') | st.characters(codec="utf-8"))
ODD = '"}],"community_ids":[],"subcounts":{},"enriched_at":"'


class _Lookup:
    def __init__(self, subcounts):
        self._subcounts = subcounts

    def get(self, recids):
        facts = RecordFacts.__new__(RecordFacts)
        object.__setattr__(facts, "subcounts", self._subcounts)
        return {r: RecordContext(facts, Timeline.empty()) for r in recids}


def _spliced(source, subcounts):
    ((native, enriched, _),) = Splicer(_Lookup(subcounts), STAMP).splice([source])
    return native, enriched


@given(
    fields=st.dictionaries(
        st.sampled_from(["country", "referrer", ODD, "x"]),
        TEXTS | st.just(ODD) | st.none() | st.booleans(),
    ),
    values=st.lists(TEXTS | st.just(ODD), max_size=3),
    spaces=st.booleans(),
)
def test_enrichment_can_be_removed_byte_for_byte(fields, values, spaces):
    event = {"timestamp": "2026-03-01T00:02:23", "recid": "r", **fields}
    separators = (", ", ": ") if spaces else (",", ":")
    source = json.dumps(event, separators=separators).encode()
    native, enriched = _spliced(source, {"subjects": values})
    assert native == source and native_bytes(source) == source
    assert native_bytes(enriched) == source
    stored = json.loads(enriched)
    assert stored.pop("subcounts") == ({"subjects": values} if values else {})
    assert stored.pop("enriched_at") == STAMP and stored.pop("community_ids") == []
    assert stored == event


@pytest.mark.parametrize("first", ["community_ids", "subcounts", "enriched_at"])
def test_fields_after_the_enrichment_are_native_too(first):
    event = {"timestamp": "2026-03-01T00:02:23", "recid": "r"}
    source = json.dumps(event, separators=(",", ":")).encode()
    enriched = json.loads(_spliced(source, {"subjects": ["a"]})[1])
    # as an update by query may write it
    again = {first: enriched.pop(first), **enriched, "country": {"iso": "DE"}}
    text = json.dumps(again, separators=(",", ":")).encode()
    assert json.loads(native_bytes(text)) == {**event, "country": {"iso": "DE"}}


@pytest.mark.parametrize(
    "text, day",
    [
        ('{"timestamp":"2026-03-01T00:02:23","recid":"r"}', "2026-03-01"),
        ('{"timestamp": "2026-03-01T00:02:23"}', "2026-03-01"),
        ('{"recid":"r","timestamp":"2026-03-01T00:02:23Z"}', "2026-03-01"),
        ('{"timestamp":1772323343000}', "no date"),
        ('{"timestamp":"03/01/2026"}', "no date"),
        ('{"recid":"r"}', "no date"),
    ],
)
def test_fingerprint_contains_the_day_of_the_event(text, day):
    assert fingerprint("id", text.encode())[0] == day


def test_fingerprint_differs_for_another_id_or_another_byte():
    native = b'{"timestamp":"2026-03-01T00:02:23","country":"DE"}'
    hashes = {
        fingerprint("a", native),
        fingerprint("b", native),
        fingerprint("a", native.replace(b"DE", b"FR")),
    }
    assert len(hashes) == 3
