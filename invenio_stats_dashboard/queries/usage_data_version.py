# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Know the version of the usage events of some months, without reading them.

Each write to a shard has a sequence number. So an index has the same content as long as
its identity and the checkpoints of its shards are the same.
"""

from collections.abc import Collection, Iterator

import msgspec
import xxhash
from opensearchpy import OpenSearch

from ..search.names import Names
from ..search.seqno import IndexPositions, ShardPosition, positions_of_all


class EventMonths:
    """The indices that can hold usage events of some days.

    Args:
        client: decodes responses.
        names: the names of the instance's indices.
        event_types: the types of the events.
        first: first UTC day, ``YYYY-MM-DD``.
        last: last day, inclusive.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        event_types: Collection[str],
        first: str,
        last: str,
    ) -> None:
        self._client, self._names = client, names
        self._types, self._months = sorted(event_types), (first[:7], last[:7])

    @property
    def key(self) -> str:
        """Return a text that identifies the event types and months."""
        return digest(self._names.prefix, self._types, self._months)

    def version(self) -> str:
        """Return a text that changes with each event that is stored, changed or moved.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        return version_of(dict(self._indices()))

    def refresh(self) -> None:
        """Let searches find everything that the version includes.

        Read the version before: an event that is stored later changes it.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        if names := sorted(dict(self._indices())):
            self._client.indices.refresh(
                index=",".join(names), params={"ignore_unavailable": "true"}
            )

    def _indices(self) -> Iterator[tuple[str, IndexPositions]]:
        first, last = self._months
        for event_type in self._types:
            alias = self._names.events_alias(event_type)
            for name, positions in positions_of_all(self._client, alias).items():
                month = self._names.month_of(event_type, name)
                # an index without a month in its name can hold events of any month
                if month is None or first <= month <= last:
                    yield name, positions


def version_of(indices: dict[str, IndexPositions]) -> str:
    """Return a text that changes with each write to some indices."""
    return digest(
        [
            (name, its.uuid, [(n, s.history, s.checkpoint) for n, s in _sorted(its)])
            for name, its in sorted(indices.items())
        ]
    )


def digest(*parts: object) -> str:
    """Return 32 hexadecimal digits for values that JSON can represent."""
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode(parts))


def _sorted(positions: IndexPositions) -> list[tuple[int, ShardPosition]]:
    return sorted(positions.shards.items())
