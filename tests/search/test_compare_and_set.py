# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A bookmark distinguishes its own writes from those of another run."""

import pytest

from invenio_stats_dashboard.errors import LockLostError
from invenio_stats_dashboard.search.compare_and_set import Bookmark, by_shard


class _SentTwice:
    """A client that loses its first response, and therefore sends a document again."""

    def __init__(self, client):
        self._client, self.get = client, client.get

    def index(self, **request):
        self._client.index(**request)
        return self._client.index(**request)


@pytest.fixture()
def index(client, names):
    name = f"{names.prefix}bookmarks"
    yield name
    client.indices.delete(index=name, ignore=[404])


def test_a_write_whose_response_was_lost_is_recognised_with_shard_numbers(
    client, index
):
    bookmark = Bookmark(_SentTwice(client), index, "month")
    bookmark.write(verified={"read_back": {0: 7, 1: 9}})
    bookmark.write(state="switched")
    stored = Bookmark(client, index, "month").data
    assert stored == bookmark.data
    assert by_shard(stored["verified"]["read_back"]) == {0: 7, 1: 9}


def test_a_write_of_another_run_is_not_taken_for_its_own(client, index):
    mine = Bookmark(client, index, "month")
    Bookmark(client, index, "month").write(state="copying")
    with pytest.raises(LockLostError):
        mine.write(state="copying")
