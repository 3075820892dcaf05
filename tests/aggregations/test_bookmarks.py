# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Bookmarks of source indices: written by one run at a time."""

from dataclasses import replace

import pytest

from invenio_stats_dashboard.aggregations.source_positions import (
    SourcePosition,
    SourcePositions,
)
from invenio_stats_dashboard.errors import LockLostError

SOURCE = SourcePosition(
    scope="usage",
    index="some-index-2026-01",
    uuid="u",
    shards={0: ("h", 12), 1: ("i", -1)},
    counts={"2026-01-01": 3},
    redo=("2026-01-01", "2026-01-02"),
)


@pytest.fixture()
def sources(fresh, client, names):
    """Return the bookmarks of usage, none yet."""
    return SourcePositions(client, names, "usage")


def test_what_is_written_is_read(sources, client, names):
    assert sources.read() == {}
    stored = sources.write(SOURCE)
    SourcePositions(client, names, "records").write(replace(SOURCE, scope="records"))
    assert sources.read() == {SOURCE.index: SOURCE} == {SOURCE.index: stored}
    again = sources.save(stored.without({"2026-01-01"}))
    assert sources.read()[SOURCE.index].redo == ("2026-01-02",)
    sources.save(replace(again, gone=True))
    assert sources.read()[SOURCE.index].gone


def test_an_index_that_is_gone_leaves_when_all_is_done(sources):
    stored = sources.write(replace(SOURCE, gone=True))
    assert sources.save(stored.without(set(SOURCE.redo))) is None
    assert sources.read() == {}


def test_a_run_that_was_overtaken_can_write_no_more(sources):
    mine = sources.write(SOURCE)
    theirs = sources.read()[SOURCE.index]
    sources.write(replace(theirs, redo=()))
    with pytest.raises(LockLostError, match="another run"):
        sources.write(mine)
    with pytest.raises(LockLostError, match="another run"):
        sources.delete(mine)
    with pytest.raises(LockLostError, match="another run"):
        sources.write(replace(SOURCE, redo=("2026-01-09",)))
