# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Only one run at a time writes the bookmarks of source indices."""

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
    """Return the bookmarks of usage, without any stored one."""
    return SourcePositions(client, names, "usage")


def test_a_written_bookmark_is_read(sources, client, names):
    assert sources.read() == {}
    stored = sources.write(SOURCE)
    SourcePositions(client, names, "records").write(replace(SOURCE, scope="records"))
    assert sources.read() == {SOURCE.index: SOURCE} == {SOURCE.index: stored}
    again = sources.save(stored.without({"2026-01-01"}))
    assert sources.read()[SOURCE.index].redo == ("2026-01-02",)
    sources.save(replace(again, gone=True))
    assert sources.read()[SOURCE.index].gone


def test_the_bookmark_of_a_missing_index_is_removed_when_all_is_done(sources):
    stored = sources.write(replace(SOURCE, gone=True))
    assert sources.save(stored.without(set(SOURCE.redo))) is None
    assert sources.read() == {}


def test_a_run_that_was_taken_over_cannot_write(sources):
    mine = sources.write(SOURCE)
    theirs = sources.read()[SOURCE.index]
    sources.write(replace(theirs, redo=()))
    with pytest.raises(LockLostError, match="Another run"):
        sources.write(mine)
    with pytest.raises(LockLostError, match="Another run"):
        sources.delete(mine)
    with pytest.raises(LockLostError, match="Another run"):
        sources.write(replace(SOURCE, redo=("2026-01-09",)))
