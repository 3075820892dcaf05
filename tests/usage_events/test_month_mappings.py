# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Months get the mapping of enrichment; a blocked month is waited for once."""

import time

import pytest

from invenio_stats_dashboard.usage_events.month_mappings import MappedMonths

from .test_dead_letters import MONTH


@pytest.fixture()
def pauses(monkeypatch):
    """Record the pauses, and return them."""
    made, sleep = [], time.sleep
    monkeypatch.setattr(
        "invenio_stats_dashboard.usage_events.month_mappings.time.sleep",
        lambda seconds: (made.append(seconds), sleep(seconds)),
    )
    return made


@pytest.fixture()
def block(usage):
    """Return a function that blocks the mapping of an index, or removes the block."""
    blocked = set()

    def set_block(index, value):
        blocked.add(index)
        body = {"index.blocks.metadata": value}
        usage.client.indices.put_settings(index=index, body=body)

    yield set_block
    for index in blocked:  # a block would refuse requests about all indices
        set_block(index, None)


def test_a_permanent_block_is_waited_for_once(usage, pauses, block):
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
