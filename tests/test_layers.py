# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A prepared instance is reused until a test changes what belongs to it."""

import pytest

from invenio_stats_dashboard.aggregations.runner import LOCK
from invenio_stats_dashboard.search.lock import ClusterLock

from .conftest import remove_statistics
from .helpers import content
from .helpers.layers import Layers, everything, records, sources

MONTH = "2026-03"


class Instance:
    """An instance that counts how often it was prepared."""

    def __init__(self, client, names):
        """Prepare nothing yet."""
        self.client, self.names = client, names
        self._layers = Layers(client, names)
        self._made = {}

    def made(self, scope):
        """Use the preparation of a scope; return how often it was made."""
        return self._layers.get(scope, lambda: self._make(scope), scope)

    def _make(self, scope):
        self._made[scope] = self._made.get(scope, 0) + 1
        return self._made[scope]

    def write(self, index, **source):
        """Write a document."""
        self.client.index(index=index, body=source, refresh=True)


@pytest.fixture()
def instance(fresh, client, names):
    """Return an instance with an index of each kind, prepared in each scope."""
    instance = Instance(client, names)
    for index in (
        names.events_month("view", MONTH),
        names.record_facts,
        names.aggregates_from("usage-delta", 1),
        names.bookmarks,
    ):
        client.indices.create(index=index)
    for scope in (everything, sources, records):
        instance.made(scope)
    yield instance
    remove_statistics(client, names)


def made(instance):
    """Return how often each scope was prepared."""
    return tuple(instance.made(scope) for scope in (everything, sources, records))


def test_it_is_reused_while_nothing_changes(instance):
    instance.client.search(index=f"{instance.names.prefix}*stats-*")
    assert made(instance) == (1, 1, 1)


def test_a_counted_document_belongs_to_everything(instance):
    instance.write(
        instance.names.aggregates_from("usage-delta", 1), period_start="2026-03-01"
    )
    assert made(instance) == (2, 1, 1)


@pytest.mark.parametrize("change", ["an event", "facts", "an index", "a setting"])
def test_a_source_belongs_to_all_statistics(instance, change):
    client, names = instance.client, instance.names
    month = names.events_month("view", MONTH)
    if change == "an event":
        instance.write(month, timestamp="2026-03-01T00:00:00")
    elif change == "facts":
        instance.write(names.record_facts, recid="a")
    elif change == "an index":
        client.indices.delete(index=month)
    else:
        client.indices.put_settings(index=month, body={"index.blocks.write": True})
    assert made(instance) == (2, 2, 1)


@pytest.mark.parametrize("change", ["a community", "removed"])
def test_a_change_of_records_belongs_to_all(instance, change):
    if change == "removed":
        content.remove_content()
    else:
        content.make_community()
    assert made(instance) == (2, 2, 2)


def test_a_released_lock_is_no_change_and_a_bookmark_is_one(instance):
    bookmarks = instance.names.bookmarks
    lock = ClusterLock(instance.client, bookmarks, LOCK, "mine", 60)
    lock.acquire()
    assert instance.made(everything) == 2
    lock.release()
    assert instance.made(everything) == 3
    lock.acquire()
    lock.release()
    assert made(instance) == (3, 1, 1)
    instance.write(bookmarks, kind="a bookmark")
    assert made(instance) == (4, 1, 1)
