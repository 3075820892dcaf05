# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The rules of records agree with the reference on generated histories."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ...helpers import reference
from ...helpers.histories import DAYS, histories, of_records
from ...helpers.stored import assert_same
from .build import KEYS, Counted, day

REGISTRY = {key: {"field": f"metadata.{key}"} for key in KEYS}


@pytest.mark.parametrize("basis", reference.BASES)
@settings(max_examples=150, deadline=None)
@given(histories(kinds=of_records))
def test_the_rules_agree_with_the_reference(basis, history):
    stored = history.end()
    today = (date(2024, 3, 2) - day(0)).days
    counted = Counted(
        list(stored.facts.values()),
        list(stored.community_events.values()),
        basis,
        today=today,
        restricted=stored.restricted,
    )
    wanted = reference.aggregates(stored.sources(), REGISTRY, "2024-03-02")
    families = f"records-delta-{basis}", f"records-snapshot-{basis}"
    found = dict(zip(families, (counted.deltas, counted.snapshots), strict=True))
    assert_same(found, {family: wanted[family] for family in families})


@settings(max_examples=150, deadline=None)
@given(histories(kinds=of_records), st.sampled_from(DAYS))
def test_snapshots_can_be_continued_from_any_day(history, first):
    stored = history.end()
    counted = Counted(
        list(stored.facts.values()),
        list(stored.community_events.values()),
        today=(date(2024, 3, 2) - day(0)).days,
        # so few that values are left out
        limits={key: 2 for key in KEYS},
    )
    assert counted.snapshots_since(first) == {
        key: document for key, document in counted.snapshots.items() if key[1] >= first
    }
