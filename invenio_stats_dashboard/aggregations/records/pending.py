# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which communities are to be counted again: one small document each.

A community is open while its document names families to redo, or when a day has come
on which one of its records begins to count. It is closed only if nobody has opened it
again since it was read.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
from opensearchpy.exceptions import NotFoundError

from ...community_events.documents import GLOBAL
from ...errors import StatsDashboardError
from ...search import bulk
from ...search.client import patiently
from ...search.names import RECORD_FAMILIES

_KIND, _SCOPE = "community", "records"
_PAGE = 5000
_IDS = 1000


@dataclass(frozen=True)
class Open:
    """A community that is to be counted again.

    Attributes:
        community: UUID or ``global``.
        families: names of the families to redo, sorted.
        missing: identifiers of records that had events and no facts last time; kept
            of ``global`` only.
        version: of the document, as it was read.
    """

    community: str
    families: tuple[str, ...]
    missing: tuple[str, ...] | None = None
    version: tuple[int, int] | None = field(default=None, compare=False, repr=False)


class Pending:
    """The communities that are to be counted again.

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

    def open(self, communities, families=RECORD_FAMILIES):
        """Have communities counted again; what was open stays open.

        Args:
            communities: iterable of UUIDs, and ``global``.
            families: names of the families to redo.
        """
        communities = sorted(communities)
        for start in range(0, len(communities), _IDS):
            chunk = communities[start : start + _IDS]
            stored = self._read(chunk)
            self._write(
                [
                    self._action(
                        community,
                        {
                            **stored.get(community, {}),
                            "redo": sorted(
                                {*families, *stored.get(community, _NEW)["redo"]}
                            ),
                        },
                    )
                    for community in chunk
                ]
            )

    def read(self, today):
        """Return the communities that are open.

        Args:
            today: the present day, ``YYYY-MM-DD``.

        Returns:
            list[Open]: sorted by community.
        """
        try:
            self._client.indices.refresh(index=self._index)
        except NotFoundError:
            return []
        due = {"range": {"due": {"lte": today}}}
        body = {
            "size": _PAGE,
            "query": {
                "bool": {
                    "filter": [{"term": {"kind": _KIND}}, {"term": {"scope": _SCOPE}}],
                    "should": [{"exists": {"field": "redo"}}, due],
                    "minimum_should_match": 1,
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
            found += [_open(hit, today) for hit in hits]
            if len(hits) < _PAGE:
                return found
            body["search_after"] = hits[-1]["sort"]

    def close(self, done, families, due, missing=None):
        """Tell that communities were counted.

        Args:
            done: list of :class:`Open`, as they were read.
            families: names of the families that were counted.
            due: community -> first day after today on which it is to be counted
                again, ``YYYY-MM-DD``; none where there is no such day.
            missing: what to keep of ``global``: identifiers of records without facts.
        """
        self._write(
            [
                self._action(
                    one.community,
                    {
                        "redo": sorted(set(one.families) - set(families)),
                        "due": due.get(one.community),
                        "missing": missing if one.community == GLOBAL else None,
                    },
                    one.version,
                )
                for one in done
            ]
        )

    def _read(self, communities):
        ids = [_id(community) for community in communities]
        try:
            answer = patiently(
                lambda: self._client.mget(index=self._index, body={"ids": ids}),
                self._limit,
            )
        except NotFoundError:
            return {}
        found = [doc["_source"] for doc in answer["docs"] if doc.get("found")]
        return {source["community_id"]: source for source in found}

    def _action(self, community, changes, version=None):
        head = {"_index": self._index, "_id": _id(community)}
        if version:
            # whoever opened it since keeps it open: the conflict is what we want
            head |= {"if_seq_no": version[0], "if_primary_term": version[1]}
        body = {
            **_NEW,
            **changes,
            "kind": _KIND,
            "scope": _SCOPE,
            "community_id": community,
            "updated_at": datetime.now(UTC).isoformat(),
        }
        encode = msgspec.json.encode
        return encode({"index": head}) + b"\n" + encode(body) + b"\n"

    def _write(self, actions):
        refusals = bulk.write(self._text, None, actions, self._limit)
        if refusals:
            raise StatsDashboardError(
                f"OpenSearch refuses bookmarks of the aggregation ({refusals[0]})."
            )


_NEW = {"redo": [], "due": None, "missing": None}


def _id(community):
    return f"{_KIND}:{_SCOPE}:{community}"


def _open(hit, today):
    stored = hit["_source"]
    due = stored.get("due")
    families = RECORD_FAMILIES if due and due <= today else stored["redo"]
    missing = stored.get("missing")
    return Open(
        community=stored["community_id"],
        families=tuple(sorted(families)),
        missing=None if missing is None else tuple(missing),
        version=(hit["_seq_no"], hit["_primary_term"]),
    )
