# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store the access of records with which usage was counted.

The next run compares it with the current access, so it finds every change, no matter
when it happened or how it was made. The documents are written after the days of the
changed records were stored as days to count again. If a run is killed while it writes
them, the next run finds some changes again, and their days are counted once more.
"""

from collections.abc import Iterator
from typing import Any

from opensearchpy import OpenSearch

from ..search.names import Names
from ..search.paging import pages
from .record_access import RecordAccess

KIND = "counted-access"

_SIZE = 20_000
"""Maximum number of records in one document."""


class CountedAccess:
    """The stored access of one instance.

    Args:
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, client: OpenSearch, names: Names) -> None:
        self._client, self._index = client, names.bookmarks

    def read(self) -> RecordAccess | None:
        """Return the stored access; None if none was ever stored."""
        found: dict[str, frozenset[str]] = {}
        is_stored = False
        for _, source in self._stored():
            is_stored = True
            for recid, communities in source["records"].items():
                found[recid] = frozenset(communities)
        return RecordAccess(found) if is_stored else None

    def write(self, access: RecordAccess) -> None:
        """Store the access in place of the stored one."""
        old = {id for id, _ in self._stored()}
        recids = sorted(access.hidden)
        for number, start in enumerate(range(0, max(1, len(recids)), _SIZE)):
            id = f"{KIND}:{number}"
            some = recids[start : start + _SIZE]
            records = {recid: sorted(access.hidden[recid]) for recid in some}
            body = {"kind": KIND, "records": records}
            self._client.index(index=self._index, id=id, body=body)
            old.discard(id)
        for id in sorted(old):
            self._client.delete(index=self._index, id=id, ignore=[404])

    def _stored(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield ``_id`` and source of each document."""
        place: dict[str, Any] = {
            "index": self._index,
            "params": {"ignore_unavailable": "true"},
        }
        self._client.indices.refresh(**place)
        body = {
            "size": 10,
            "query": {"term": {"kind": KIND}},
            "sort": ["_seq_no"],
            "track_total_hits": False,
        }
        for hits in pages(
            lambda page: self._client.search(body=page, **place)["hits"]["hits"], body
        ):
            yield from ((hit["_id"], hit["_source"]) for hit in hits)
