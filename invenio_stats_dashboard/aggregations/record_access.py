# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decide for which communities a hidden record counts under its own values.

Breakdowns by record metadata must not show the metadata of records that their readers
cannot find. A hidden record therefore counts under one reserved id in each such
breakdown. It counts under its own values only in the documents of the restricted
communities that it is in now: their readers are members, who find the record.

What counts is access now. If it changes, all days of the record are counted again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec
from opensearchpy import OpenSearch

from ..community_events.facts import CLOSED, HIDDEN
from ..community_events.store import EventStore
from ..errors import NotReadyError
from ..search.client import patiently
from ..search.names import Names
from ..search.paging import page_decoder, pages, search_page

PAGE = 10_000
"""Maximum number of hidden records in one response."""

_LIMIT = 120.0


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

    def own_communities(
        self, recid: str, access: str | None, communities: Iterable[str]
    ) -> frozenset[str] | None:
        """Return where a hidden record counts under its own values.

        Args:
            recid: recid of the record.
            access: who finds it, from its facts; None if it is not known.
            communities: the communities that it is in now, from its facts.

        Returns:
            The restricted communities that it is in; None if it is public.
        """
        if self.show_hidden:
            return None
        if access is None:
            known = self.known.get(recid)
            return None if known is None else known & self.restricted
        if access == HIDDEN:
            return self.restricted.intersection(communities)
        return frozenset() if access == CLOSED else None


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
        self._store = EventStore(text_client, names, waiting=waiting)
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
        rules = replace(self._rules(), known=before.hidden)
        if rules.show_hidden:
            return RecordAccess()
        if before.hidden and not self._client.indices.exists(index=self._index):
            raise NotReadyError(
                f"{self._index} is missing, so it is unknown which records are hidden. "
                "Nothing was changed. Restore it, or run 'invenio community-stats "
                "community-events generate'. Then run the same command again."
            )
        stored = {f.recid: (f.access, f.communities) for f in self._hidden()}
        rest = before.hidden.keys() - stored.keys()
        for recid, state in self._store.facts_states(rest).items():
            stored[recid] = state.access, state.communities
        found = {}
        for recid in {*stored, *rest}:
            own = rules.own_communities(recid, *stored.get(recid, (None, ())))
            if own is not None:
                found[recid] = own
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
