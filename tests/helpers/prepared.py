# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Prepare an instance for a test, and reuse it while no test has changed it.

Making content and counting it takes seconds, and many tests only read what was counted.
They need not declare that: after each test, the content of each index is compared with
the earlier content. If anything was written or deleted, the instance is prepared again,
or the earlier documents are put back.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple, TypeVar

from opensearchpy import OpenSearch

from invenio_stats_dashboard.search.names import Names
from invenio_stats_dashboard.search.seqno import positions_of_all

Thing = TypeVar("Thing")
Documents = dict[tuple[str, str], dict[str, Any]]
"""(index, id) -> source."""

MOST = 10_000
"""Maximum number of documents that can be put back."""


class Prepared:
    """The last preparation of an instance.

    Args:
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, client: OpenSearch, names: Names) -> None:
        """Start with an instance that is not prepared."""
        self._client, self._names = client, names
        self._key: Hashable = None
        self._thing: object = None
        self._was: _State = _State({}, {}, {})
        self._stored: Documents = {}

    def get(
        self, key: Hashable, make: Callable[[], Thing], restore: bool = False
    ) -> Thing:
        """Call ``make``, or return its last result if the instance is unchanged.

        Args:
            key: distinguishes this preparation from those of other tests.
            make: prepares the instance from any state.
            restore: put changed documents of statistics back, instead of preparing the
                instance again. This is possible if no index was deleted, and if no
                settings, mappings, aliases or templates have changed.
        """
        if self._key is None or self._key != key or not self._is_unchanged(restore):
            self._key = None
            self._thing = make()
            # everything written before is visible to readers
            self._client.indices.refresh(index=f"{self._names.prefix}*")
            self._key, self._was = key, self._state()
            self._stored = self._documents(self._statistics) if restore else {}
        return self._thing  # type: ignore[return-value]

    @contextmanager
    def restored(self, index: str) -> Iterator[None]:
        """Expect that the block changes documents and then stores the earlier ones.

        If it has stored exactly the earlier documents, the instance is not prepared
        again because of it.

        Args:
            index: name, alias or pattern of the only indices that are changed.
        """
        prepared = self._key is not None and self._state() == self._was
        before = self._documents(index)
        yield
        if prepared and self._documents(index) == before:
            self._was = self._state()
        else:
            self._key = None

    # -- putting back -------------------------------------------------------------

    @property
    def _statistics(self) -> str:
        return f"{self._names.prefix}*stats-*"

    def _is_unchanged(self, restore: bool) -> bool:
        """Return whether the instance is as prepared, after an optional restore."""
        now = self._state()
        if now == self._was:
            return True
        if not restore:
            return False
        if added := now.indices.keys() - self._was.indices.keys():
            self._client.indices.delete(index=",".join(sorted(added)))
            now = self._state()
        written = {
            name
            for name in now.written
            if now.written[name] != self._was.written.get(name)
        }
        if (now.indices, now.templates) != (self._was.indices, self._was.templates):
            return False
        if not all("stats-" in name for name in written):
            return False
        self._put_back(written)
        self._was = self._state()
        return True

    def _put_back(self, written: set[str]) -> None:
        """Store the earlier documents of some indices.

        The sequence numbers of their shards are higher than before. The bookmarks get
        the current ones, because the same documents are counted.
        """
        bookmarks = {self._names.bookmarks}
        if others := written - bookmarks:
            now = self._documents(",".join(sorted(others)))
            self._write(now, {p: s for p, s in self._stored.items() if p[0] in others})
        wanted = {p: s for p, s in self._stored.items() if p[0] in bookmarks}
        positions = positions_of_all(self._client, self._statistics)
        for place, source in wanted.items():
            if source.get("kind") == "source" and source["index"] in positions:
                shards = positions[source["index"]].shards
                wanted[place] = deepcopy(source) | {
                    "shards": {
                        str(number): [shard.history, shard.checkpoint]
                        for number, shard in shards.items()
                    }
                }
        self._write(self._documents(self._names.bookmarks), wanted)

    def _write(self, now: Documents, wanted: Documents) -> None:
        lines: list[dict[str, Any]] = []
        for index, id in now.keys() - wanted.keys():
            lines.append({"delete": {"_index": index, "_id": id}})
        for (index, id), source in wanted.items():
            if now.get((index, id)) != source:
                lines += [{"index": {"_index": index, "_id": id}}, source]
        if lines:
            answer = self._client.bulk(body=lines, refresh=True)
            assert not answer["errors"], str(answer)[:500]

    def _documents(self, index: str) -> Documents:
        """Return all documents of some indices."""
        self._client.indices.refresh(index=index)
        body = {"size": MOST, "track_total_hits": True}
        hits = self._client.search(index=index, body=body)["hits"]
        assert hits["total"]["value"] == len(hits["hits"]), "too many documents"
        return {(hit["_index"], hit["_id"]): hit["_source"] for hit in hits["hits"]}

    # -- comparing ------------------------------------------------------------------

    def _state(self) -> "_State":
        every = f"{self._names.prefix}*"
        path = "indices.*.uuid,indices.*.shards.*.seq_no.max_seq_no"
        written = self._client.indices.stats(
            index=every,
            params={
                "level": "shards",
                "filter_path": path,
                "expand_wildcards": "all",
            },
        )
        details = self._client.indices.get(
            index=every, params={"expand_wildcards": "all", "flat_settings": "true"}
        )
        templates = self._client.transport.perform_request(
            "GET", f"/_index_template/{every}", params={"filter_path": "**.name"}
        )
        return _State(written["indices"], details, templates)


class _State(NamedTuple):
    """What an instance consists of.

    Attributes:
        written: index -> the last write of each shard.
        indices: index -> its settings, mappings and aliases.
        templates: names of its templates.
    """

    written: dict[str, Any]
    indices: dict[str, Any]
    templates: dict[str, Any]
