# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Months are made to map enrichment, and one that is blocked is waited for once."""

import time

import pytest

from invenio_stats_dashboard.usage_events.mapping_guard import MappedMonths

from .test_dead_letters import MONTH, usage

__all__ = ("usage",)


@pytest.fixture()
def pauses(monkeypatch):
    """Return the pauses that are made."""
    made, sleep = [], time.sleep
    monkeypatch.setattr(
        "invenio_stats_dashboard.usage_events.mapping_guard.time.sleep",
        lambda seconds: (made.append(seconds), sleep(seconds)),
    )
    return made


@pytest.fixture()
def block(usage):
    """Return a function that blocks the mapping of an index, or lifts that."""
    blocked = set()

    def set_block(index, value):
        blocked.add(index)
        body = {"index.blocks.metadata": value}
        usage.client.indices.put_settings(index=index, body=body)

    yield set_block
    for index in blocked:  # it would refuse requests about all indices, others' too
        set_block(index, None)


def test_a_block_that_stays_is_waited_for_once(usage, pauses, block):
    index, warnings = usage.legacy_index("view", MONTH), []
    months = MappedMonths(usage.client, warnings.append, block_limit=0.5)
    block(index, True)
    assert months.of({index}, limit=1) == set() and pauses
    pauses.clear()
    assert months.of({index}, limit=1) == set() and not pauses
    assert len(warnings) == 1
    block(index, None)
    assert months.of({index}, limit=1) == {index}
    block(index, True)
    assert months.of({index}, limit=1) == set() and pauses
