# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decide for which communities a hidden record counts under its own values.

Breakdowns by record metadata must not show the metadata of records that their readers
cannot find. A hidden record therefore counts under one reserved id in each such
breakdown. It counts under its own values only in the documents of the restricted
communities that it is in now: their readers are members, who find the record.

What counts is access now. If it changes, all days of the record are counted again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from opensearchpy import OpenSearch

from ..community_events.facts import CLOSED, HIDDEN
from ..errors import NotReadyError
from ..search.client import patiently
from ..search.multi_get import StoredSource, stored_sources
from ..search.names import Names
from ..search.paging import page_decoder, pages, search_page

PAGE = 10_000
"""Maximum number of hidden records in one response."""

_TOGETHER = 1000
_LIMIT = 120.0
_PUBLIC: frozenset[str] = frozenset()


@dataclass(frozen=True)
class AccessRules:
    """The rules of a site for hidden records.

    Attributes:
        restricted: the restricted communities.
        show_hidden: count hidden records under their own values everywhere.
        known: recid -> communities in which a hidden record counted under its own
            values; used for facts that do not contain the access.
    """

    restricted: frozenset[str] = frozenset()
    show_hidden: bool = False
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordAccess:
    """The records that do not count under their own values everywhere.

    Attributes:
        hidden: recid -> communities in which the record counts under its own values.
    """

    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def changed(self, before: "RecordAccess") -> set[str]:
        """Return the recids of the records whose access was another one before."""
        recids = {*self.hidden, *before.hidden}
        return {r for r in recids if self.hidden.get(r) != before.hidden.get(r)}


class _Facts(msgspec.Struct, gc=False):
    recid: str
    access: str | None = None
    communities: list[str] = []


class _Hit(msgspec.Struct, gc=False):
    source: _Facts = msgspec.field(name="_source")
    sort: list[str]


_decode_page = page_decoder(_Hit)


class AccessReader:
    """Reads the access of records from their facts.

    Args:
        text_client: does not decode responses.
        names: the instance's index names.
        rules: returns the rules of the site.
        waiting: called with a sentence while OpenSearch accepts no requests.
    """

    def __init__(
        self,
        text_client: OpenSearch,
        names: Names,
        rules: Callable[[], AccessRules],
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self._client, self._index = text_client, names.record_facts
        self._rules, self._waiting = rules, waiting

    def read(self, before: RecordAccess) -> RecordAccess:
        """Return the current access of all records.

        The access of a record whose facts are missing remains as it was, and so does
        that of facts without access, which a worker with an earlier version of this
        package has written.

        Args:
            before: the access that was read last.

        Raises:
            NotReadyError: the facts are missing, and records were hidden.
            SearchUnavailableError: OpenSearch accepted no requests for too long.
        """
        rules = self._rules()
        if rules.show_hidden:
            return RecordAccess()
        if before.hidden and not self._client.indices.exists(index=self._index):
            raise NotReadyError(
                f"{self._index} is missing, so it is unknown which records are hidden. "
                "Nothing was changed. Restore it, or run 'invenio community-stats "
                "community-events generate'. Then run the same command again."
            )
        found = {
            facts.recid: (
                rules.restricted.intersection(facts.communities)
                if facts.access == HIDDEN
                else _PUBLIC
            )
            for facts in self._hidden()
        }
        for recid in self._unknown(sorted(before.hidden.keys() - found.keys())):
            found[recid] = before.hidden[recid] & rules.restricted
        return RecordAccess(found)

    def _hidden(self) -> Iterator[_Facts]:
        params = {"ignore_unavailable": "true"}
        path = f"/{self._index}/_refresh"
        patiently(
            lambda: self._client.transport.perform_request("POST", path, params=params),
            _LIMIT,
            self._waiting,
        )
        body = {
            "size": PAGE,
            "query": {"terms": {"access": [HIDDEN, CLOSED]}},
            "sort": ["recid"],
            "_source": ["recid", "access", "communities"],
            "track_total_hits": False,
        }
        for hits in pages(
            lambda page: patiently(
                lambda: search_page(
                    self._client, self._index, page, _decode_page, params
                ),
                _LIMIT,
                self._waiting,
            ),
            body,
        ):
            yield from (hit.source for hit in hits)

    def _unknown(self, recids: list[str]) -> Iterator[str]:
        """Yield the records whose facts are missing or do not contain the access."""
        path = f"/{self._index}/_mget"
        for start in range(0, len(recids), _TOGETHER):
            body = msgspec.json.encode({"ids": recids[start : start + _TOGETHER]})

            def read(body: bytes = body) -> list[StoredSource[_Facts]]:
                answer = self._client.transport.perform_request("POST", path, body=body)
                return stored_sources(answer, _Facts)

            for doc in patiently(read, _LIMIT, self._waiting):
                if doc.source is None or doc.source.access is None:
                    yield doc.id
