# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Give each test known records without usage events, or with a migrated month.

Storing the facts and community events of records creates three indices, and a migration
sends hundreds of requests. So the records stay for the next test unless a test changes
them, and tests of what follows a migration get its result.
"""

from copy import copy
from dataclasses import dataclass
from typing import Any

from invenio_stats_dashboard.community_events.backfill_state import DOCUMENT_ID

from .usage import Usage


class KnownRecords:
    """The records of an instance, and what is known of them.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, app, client, names):
        """Store the arguments, without storing records."""
        self._app, self._client, self._names = app, client, names
        self._usage, self._indices, self._known = None, None, {}

    def without_events(self):
        """Return the records of an instance that has neither events nor statistics.

        It needs an application context.

        Returns:
            Usage: a new object, for a test to change.
        """
        if self._usage is None or not self._is_known():
            self._usage = None
            self._delete(retained=())
            usage = Usage(self._app, self._client, self._names)
            self._indices, self._known = self._identity(), self._documents()
            self._usage = usage
        else:
            self._delete(retained=self._indices)
            self.forget_bookmarks()
        usage = copy(self._usage)
        usage.histories = dict(usage.histories)
        return usage

    def _is_known(self):
        """Return whether all is stored as before, after deleting added documents."""
        if self._identity() != self._indices:
            return False
        found = self._documents()
        for index, id in set(found) - set(self._known):
            self._client.delete(index=index, id=id, refresh=True)
            del found[index, id]
        return found == self._known

    def _identity(self):
        """Return the UUIDs of the retained indices, by name."""
        names = self._names
        patterns = f"{names.community_events}-*,{names.record_facts},{names.reindexing}"
        found = self._client.indices.get_settings(
            index=patterns,
            name="index.uuid",
            params={"flat_settings": "true", "ignore_unavailable": "true"},
        )
        return {name: i["settings"]["index.uuid"] for name, i in found.items()}

    def _documents(self):
        """Return facts, community events and the state of the back-fill."""
        names, found = self._names, {}
        patterns = f"{names.community_events}-*,{names.record_facts}"
        self._client.indices.refresh(index=patterns)
        for hit in self._client.search(index=patterns, body={"size": 10_000})["hits"][
            "hits"
        ]:
            found[hit["_index"], hit["_id"]] = hit["_source"]
        backfill = self._client.get(
            index=names.reindexing, id=DOCUMENT_ID, params={"ignore": 404}
        )
        return {**found, (names.reindexing, DOCUMENT_ID): backfill.get("_source")}

    def _delete(self, retained):
        """Delete the indices of usage events and statistics that are not retained."""
        prefix = self._names.prefix
        found = self._client.indices.get_alias(
            index=f"{prefix}*stats-*,{prefix}backup-*",
            params={"expand_wildcards": "all"},
        )
        if gone := sorted(set(found) - set(retained)):
            self._client.indices.delete(index=",".join(gone))

    def forget_bookmarks(self):
        """Delete all bookmarks of the migration except that of the back-fill."""
        others = {"bool": {"must_not": {"ids": {"values": [DOCUMENT_ID]}}}}
        self._client.indices.refresh(index=self._names.reindexing)
        self._client.delete_by_query(
            index=self._names.reindexing, body={"query": others}, refresh=True
        )


@dataclass(frozen=True)
class MigratedMonth:
    """The result of a migration whose backup was deleted.

    Attributes:
        month: ``YYYY-MM``.
        events: ``_id`` -> source of its views before the migration.
        stored: ``_id`` -> source after it.
        body: mapping and aliases of the index.
        bookmark: the bookmark of the month.
    """

    month: str
    events: dict[str, Any]
    stored: dict[str, Any]
    body: dict[str, Any]
    bookmark: dict[str, Any]

    @classmethod
    def of(cls, usage, month, count):
        """Migrate a month of views.

        Args:
            usage: an instance without events.
            month: ``YYYY-MM``.
            count: number of events.
        """
        events = usage.legacy("view", month, count)
        assert usage.migrate(delete_old_indices=True)["completed"]
        target = usage.names.events_target("view", month)
        made = usage.client.indices.get(index=target)[target]
        body = {name: made[name] for name in ("mappings", "aliases")}
        stored, bookmark = dict(usage.seen()), usage.state("view", month)
        return cls(month, events, stored, body, bookmark)

    def store(self, usage):
        """Store the same in an instance that has no events.

        Returns:
            dict: ``_id`` -> source of the events before the migration.
        """
        client, names = usage.client, usage.names
        target = names.events_target("view", self.month)
        client.indices.create(
            index=target, body={**self.body, "settings": {"number_of_replicas": 0}}
        )
        actions = []
        for id, source in self.stored.items():
            actions += [{"index": {"_id": id}}, source]
        assert not client.bulk(index=target, body=actions, refresh=True)["errors"]
        client.index(
            index=names.reindexing, id=f"view-{self.month}", body=self.bookmark
        )
        return dict(self.events)
