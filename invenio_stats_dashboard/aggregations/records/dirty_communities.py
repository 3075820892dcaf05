# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store which communities have pending work, in one small document for each.

A community is open while its document names families to write. A run closes it only if
nobody has opened it again since the run read the document.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from ...errors import StatsDashboardError
from ...search import bulk
from ...search.client import patiently
from ...search.compare_and_set import Version, version_of
from ...search.multi_get import get_many
from ...search.names import BASES, RECORD_FAMILIES, Names
from ...search.paging import pages

DaysByBasis = dict[str, tuple[str, ...]]
"""Basis -> sorted days, ``YYYY-MM-DD``."""
MOST_DAYS = 2000
"""Maximum number of days of a basis that are stored one by one.

If more days change, all days are written again.
"""

_KIND, _SCOPE = "community", "records"
_PAGE = 5000
_IDS = 1000


@dataclass(frozen=True)
class CommunityState:
    """The pending work of a community.

    Attributes:
        community: UUID or ``global``.
        families: sorted names of the families to write.
        days: basis -> sorted days on which its numbers have changed; None for all days
            of all bases.
        parts: number of ranges of parents by which its contributions are stored; 0 if
            not decided yet.
        read: number of ranges whose stored contributions are complete. The others must
            be read first.
        why: why the community is open, as a clause.
        since: when it was opened, ISO 8601.
        note: id of the last call that opened it.
        version: sequence number and primary term of the document when it was read.
    """

    community: str
    families: tuple[str, ...] = ()
    days: DaysByBasis | None = field(default_factory=dict)
    parts: int = 1
    read: int = 1
    why: str | None = None
    since: str | None = None
    note: str | None = None
    version: Version | None = field(default=None, compare=False, repr=False)

    @property
    def is_read(self) -> bool:
        """Return whether all its contributions are stored."""
        return 0 < self.parts == self.read

    def days_of(self, family: str) -> tuple[str, ...] | None:
        """Return the days of a family to write; None for all."""
        if self.days is None:
            return None
        return self.days.get(family.rpartition("-")[2], ())


class DirtyCommunities:
    """Reads and writes the pending work of all communities.

    Args:
        client: decodes responses.
        text_client: does not decode responses.
        names: the instance's index names.
        limit: seconds to retry while OpenSearch accepts no requests.
    """

    def __init__(
        self,
        client: OpenSearch,
        text_client: OpenSearch,
        names: Names,
        limit: float = 120,
    ) -> None:
        self._client, self._text = client, text_client
        self._index, self._limit = names.bookmarks, limit

    # -- reading ------------------------------------------------------------

    def states(self, communities: Iterable[str]) -> dict[str, CommunityState]:
        """Return the states of some communities, read in real time.

        A community without a document has the state of a community without records.

        Args:
            communities: UUIDs, and ``global``.
        """
        communities = sorted(communities)
        found: dict[str, CommunityState] = {}
        for start in range(0, len(communities), _IDS):
            chunk = communities[start : start + _IDS]
            found |= {community: CommunityState(community) for community in chunk}
            found |= {state.community: state for state in self._read(chunk)}
        return found

    def read(self) -> list[CommunityState]:
        """Return the states of all open communities, sorted by community."""
        try:
            self._client.indices.refresh(index=self._index)
        except NotFoundError:
            return []
        body: dict[str, Any] = {
            "size": _PAGE,
            "query": {
                "bool": {
                    "filter": [
                        {"term": {"kind": _KIND}},
                        {"term": {"scope": _SCOPE}},
                        {"exists": {"field": "redo"}},
                    ]
                }
            },
            "sort": ["community_id"],
            "seq_no_primary_term": True,
        }
        found = pages(self._search, body)
        return [_state(hit) for hits in found for hit in hits]

    # -- noting -------------------------------------------------------------

    def open(self, communities: Iterable[str], why: str) -> None:
        """Open communities, so that they are read and written as a whole.

        Args:
            communities: UUIDs, and ``global``.
            why: reason, as a clause.
        """
        # All families, because the contributions that are read can be newer than the
        # documents of each family.
        every = CommunityState("", RECORD_FAMILIES, days=None, parts=0, read=0, why=why)
        self._open(dict.fromkeys(communities, every))

    def touch(
        self, days: Mapping[str, Mapping[str, Collection[str]]], why: str
    ) -> None:
        """Open communities for some days, whose contributions are about to change.

        Args:
            days: community -> basis -> days.
            why: reason, as a clause.
        """
        self._open(
            {
                community: CommunityState(
                    "", _families_of(of_bases), _sorted(of_bases), why=why
                )
                for community, of_bases in days.items()
            }
        )

    def progress(self, states: Iterable[CommunityState]) -> None:
        """Store how much is read, unless another process has changed the document.

        Args:
            states: the new states, with the versions that were read.
        """
        self._write(states)

    def close(self, done: Iterable[CommunityState], families: Iterable[str]) -> None:
        """Record that documents were written, unless another process changed the state.

        Args:
            done: the states when they were read.
            families: names of the families that were written.
        """
        self._write(_closed(state, families) for state in done)

    # -- inside -------------------------------------------------------------

    def _open(self, wanted: dict[str, CommunityState]) -> None:
        """Add pending work to the stored states; repeat until all of it is stored.

        Args:
            wanted: community -> state that contains the work to add.
        """
        note = uuid.uuid4().hex
        while wanted:
            stored = self.states(wanted)
            self._write(_opened(stored[c], more, note) for c, more in wanted.items())
            # A conflict means that another process has changed the document: merge
            # again. The document is written even if it already contains this work.
            # Otherwise a run that has read it before could close it without the change.
            stored = self.states(wanted)
            wanted = {c: more for c, more in wanted.items() if stored[c].note != note}

    def _search(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        answer = patiently(
            lambda: self._client.search(index=self._index, body=body), self._limit
        )
        return answer["hits"]["hits"]

    def _read(self, communities: Iterable[str]) -> list[CommunityState]:
        docs = [{"_id": _id(community)} for community in communities]
        found = patiently(
            lambda: get_many(self._client, docs, self._index), self._limit
        )
        return [_state(doc) for doc in found if doc]

    def _write(self, states: Iterable[CommunityState]) -> None:
        states = list(states)
        for start in range(0, len(states), _IDS):
            actions = [self._action(state) for state in states[start : start + _IDS]]
            refusals = bulk.write(self._text, None, actions, self._limit)
            if refusals:
                raise StatsDashboardError(
                    f"OpenSearch refuses bookmarks of the aggregation ({refusals[0]})."
                )

    def _action(self, state: CommunityState) -> bytes:
        head: dict[str, Any] = {"_index": self._index, "_id": _id(state.community)}
        operation = "create"
        if state.version:
            # A community that was opened in the meantime must stay open, so a conflict
            # is intended.
            operation, (seq_no, term) = "index", state.version
            head |= {"if_seq_no": seq_no, "if_primary_term": term}
        body = {
            "redo": state.families,
            "days": state.days,
            "parts": state.parts,
            "read": state.read,
            "why": state.why,
            "since": state.since,
            "note": state.note,
            "kind": _KIND,
            "scope": _SCOPE,
            "community_id": state.community,
            "updated_at": datetime.now(UTC).isoformat(),
        }
        encode = msgspec.json.encode
        return encode({operation: head}) + b"\n" + encode(body) + b"\n"


def _opened(state: CommunityState, more: CommunityState, note: str) -> CommunityState:
    """Return a state with added work."""
    was_open = bool(state.families)
    unread = not more.is_read
    return replace(
        state,
        families=tuple(sorted({*state.families, *more.families})),
        days=_together(state.days, more.days),
        parts=0 if unread else state.parts,
        read=0 if unread else state.read,
        why=state.why if was_open else more.why,
        since=state.since if was_open else datetime.now(UTC).isoformat(),
        note=note,
    )


def _closed(state: CommunityState, families: Iterable[str]) -> CommunityState:
    """Return a state without the families that were written."""
    left = tuple(sorted(set(state.families).difference(families)))
    bases = {family.rpartition("-")[2] for family in left}
    days = state.days
    if days is not None:
        days = {basis: of_basis for basis, of_basis in days.items() if basis in bases}
    if left:
        return replace(state, families=left, days=days)
    return replace(state, families=(), days={}, why=None, since=None)


def _together(days: DaysByBasis | None, more: DaysByBasis | None) -> DaysByBasis | None:
    """Return the days of both; None stands for all days."""
    if days is None or more is None:
        return None
    both = {
        basis: {*days.get(basis, ()), *more.get(basis, ())}
        for basis in BASES
        if basis in days or basis in more
    }
    if any(len(of_basis) > MOST_DAYS for of_basis in both.values()):
        return None
    return _sorted(both)


def _sorted(days: Mapping[str, Collection[str]]) -> DaysByBasis:
    return {basis: tuple(sorted(of_basis)) for basis, of_basis in days.items()}


def _families_of(bases: Collection[str]) -> tuple[str, ...]:
    return tuple(f for f in RECORD_FAMILIES if f.rpartition("-")[2] in bases)


def _id(community: str) -> str:
    return f"{_KIND}:{_SCOPE}:{community}"


def _state(hit: dict[str, Any]) -> CommunityState:
    stored = hit["_source"]
    days = stored.get("days")
    return CommunityState(
        community=stored["community_id"],
        families=tuple(stored["redo"]),
        days=None if days is None else {b: tuple(d) for b, d in days.items()},
        # Documents of an earlier release have neither: no contribution is stored yet.
        parts=stored.get("parts", 0),
        read=stored.get("read", 0),
        why=stored.get("why"),
        since=stored.get("since"),
        note=stored.get("note"),
        version=version_of(hit),
    )
