# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What is to be done for each community: one small document each.

A community is open while its document names families to write. It is closed only if
nobody has opened it again since it was read.
"""

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import msgspec
from opensearchpy.exceptions import NotFoundError

from ...errors import StatsDashboardError
from ...search import bulk
from ...search.client import patiently
from ...search.names import BASES, RECORD_FAMILIES

MOST_DAYS = 2000
"""Days of a basis that are remembered one by one; beyond, all are written again."""

_KIND, _SCOPE = "community", "records"
_PAGE = 5000
_IDS = 1000


@dataclass(frozen=True)
class CommunityState:
    """What is known of a community.

    Attributes:
        community: UUID or ``global``.
        families: names of the families to write, sorted.
        days: basis -> sorted days on which its numbers have changed; None for all days
            of all bases.
        parts: ranges of parents in which its contributions are kept; 0 where that is
            not decided.
        read: how many of them hold what they should; the others are to be read first.
        why: why it is open, as a sentence.
        since: when it was opened, ISO 8601.
        note: of who has opened it last.
        version: of the document, as it was read.
    """

    community: str
    families: tuple[str, ...] = ()
    days: dict[str, tuple[str, ...]] | None = field(default_factory=dict)
    parts: int = 1
    read: int = 1
    why: str | None = None
    since: str | None = None
    note: str | None = None
    version: tuple[int, int] | None = field(default=None, compare=False, repr=False)

    @property
    def is_read(self):
        """Tell whether all its contributions are kept."""
        return 0 < self.parts == self.read

    def days_of(self, family):
        """Return the days of a family to write; None for all."""
        if self.days is None:
            return None
        return self.days.get(family.rpartition("-")[2], ())


class DirtyCommunities:
    """What is to be done for each community.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's :class:`~...search.names.Names`.
        limit: seconds to go on trying while OpenSearch takes no requests.
    """

    def __init__(self, client, text_client, names, limit=120):
        """Keep what is needed; reads nothing yet."""
        self._client, self._text = client, text_client
        self._index, self._limit = names.bookmarks, limit

    # -- reading ------------------------------------------------------------

    def states(self, communities):
        """Return what is known of some communities, as of this moment.

        Args:
            communities: UUIDs, and ``global``.

        Returns:
            dict: community -> :class:`CommunityState`; one that is not known yet is as one
            without any record.
        """
        communities, found = sorted(communities), {}
        for start in range(0, len(communities), _IDS):
            chunk = communities[start : start + _IDS]
            found |= {community: CommunityState(community) for community in chunk}
            found |= {state.community: state for state in self._read(chunk)}
        return found

    def read(self):
        """Return the :class:`CommunityState` s of communities that are open, sorted."""
        try:
            self._client.indices.refresh(index=self._index)
        except NotFoundError:
            return []
        body = {
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
        params = {"allow_partial_search_results": "false"}
        found = []
        while True:
            answer = patiently(
                lambda: self._client.search(
                    index=self._index, body=body, params=params
                ),
                self._limit,
            )
            hits = answer["hits"]["hits"]
            found += [_state(hit) for hit in hits]
            if len(hits) < _PAGE:
                return found
            body["search_after"] = hits[-1]["sort"]

    # -- noting -------------------------------------------------------------

    def open(self, communities, why):
        """Have communities read and written as a whole.

        Args:
            communities: iterable of UUIDs, and ``global``.
            why: why, as a sentence.
        """
        # all families: what is read can be newer than what any of them is written from
        every = CommunityState("", RECORD_FAMILIES, days=None, parts=0, read=0, why=why)
        self._open(dict.fromkeys(communities, every))

    def touch(self, days, why):
        """Have days written again, since what is kept of them is about to change.

        Args:
            days: community -> basis -> set of days.
            why: why, as a sentence.
        """
        self._open(
            {
                community: CommunityState(
                    "", _families_of(of_bases), _sorted(of_bases), why=why
                )
                for community, of_bases in days.items()
            }
        )

    def progress(self, states):
        """Note how much is read, unless somebody has changed what is to be done.

        Args:
            states: list of :class:`CommunityState` s as they should be, with the versions that
                were read.
        """
        self._write(states)

    def close(self, done, families):
        """Tell that documents were written.

        Args:
            done: list of :class:`CommunityState` s, as they were read.
            families: names of the families that were written.
        """
        self._write(_closed(state, families) for state in done)

    # -- inside -------------------------------------------------------------

    def _open(self, wanted):
        """Add what is to be done to what is noted, until it is there.

        Args:
            wanted: community -> :class:`CommunityState` that says what is to be done.
        """
        note = uuid.uuid4().hex
        while wanted:
            stored = self.states(wanted)
            self._write(_opened(stored[c], more, note) for c, more in wanted.items())
            # somebody else's note must not be lost, and neither must this one: even what
            # was noted before must be written, so that nobody closes it who has not seen
            # what is about to change
            stored = self.states(wanted)
            wanted = {c: more for c, more in wanted.items() if stored[c].note != note}

    def _read(self, communities):
        ids = [_id(community) for community in communities]
        try:
            answer = patiently(
                lambda: self._client.mget(index=self._index, body={"ids": ids}),
                self._limit,
            )
        except NotFoundError:
            return []
        return [_state(doc) for doc in answer["docs"] if doc.get("found")]

    def _write(self, states):
        states = list(states)
        for start in range(0, len(states), _IDS):
            actions = [self._action(state) for state in states[start : start + _IDS]]
            refusals = bulk.write(self._text, None, actions, self._limit)
            if refusals:
                raise StatsDashboardError(
                    f"OpenSearch refuses bookmarks of the aggregation ({refusals[0]})."
                )

    def _action(self, state):
        head = {"_index": self._index, "_id": _id(state.community)}
        operation = "create"
        if state.version:
            # whoever opened it since keeps it open: the conflict is what we want
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


def _opened(state, more, note):
    """Return a state to which is added what is to be done."""
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


def _closed(state, families):
    """Return a state as it is when some families are written."""
    left = tuple(sorted(set(state.families).difference(families)))
    bases = {family.rpartition("-")[2] for family in left}
    days = state.days
    if days is not None:
        days = {basis: of_basis for basis, of_basis in days.items() if basis in bases}
    if left:
        return replace(state, families=left, days=days)
    return replace(state, families=(), days={}, why=None, since=None)


def _together(days, more):
    """Return the days of both; None is all days."""
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


def _sorted(days):
    return {basis: tuple(sorted(of_basis)) for basis, of_basis in days.items()}


def _families_of(bases):
    return tuple(f for f in RECORD_FAMILIES if f.rpartition("-")[2] in bases)


def _id(community):
    return f"{_KIND}:{_SCOPE}:{community}"


def _state(hit):
    stored = hit["_source"]
    days = stored.get("days")
    return CommunityState(
        community=stored["community_id"],
        families=tuple(stored["redo"]),
        days=None if days is None else {b: tuple(d) for b, d in days.items()},
        # as an earlier release has noted it: nothing is kept yet
        parts=stored.get("parts", 0),
        read=stored.get("read", 0),
        why=stored.get("why"),
        since=stored.get("since"),
        note=stored.get("note"),
        version=(hit["_seq_no"], hit["_primary_term"]),
    )
