# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store checkpoints, from which the next usage snapshots continue.

A checkpoint contains all values of a community, also those that its snapshots do not
show, and hashes of everything that was ever used. Each community has one for the day
before its newest delta, because the next run changes that delta. It also has one for
the end of each earlier year, so that a late event costs at most one year of work.
"""

import zlib
from array import array
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypedDict

import msgspec
import polars as pl
import xxhash
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from ...search.names import Names
from ..aggregate_store import Actions
from .counting import SEEN
from .documents import array_of, packed
from .usage_totals import UsageTotalsState

LATEST = "latest"
"""The anchor of the day before the newest delta; other anchors are years."""

PIECE = 4_000_000
"""Maximum number of characters of a checkpoint in one document.

The hashes of an instance with a million records have a hundred megabytes, which is more
than OpenSearch accepts in one request.
"""

_MOST = 10_000

FirstSeen = dict[tuple[str, str], dict[str, int]]
"""(Community, day) -> kind of thing -> number of things used for the first time."""


class SeenSource(TypedDict):
    """The fields that are read of a stored document of the family ``usage-seen``."""

    community_id: str
    period_start: str
    seen: dict[str, str]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, or one piece of it.

    Attributes:
        community: UUID or ``global``.
        anchor: ``latest`` or a year.
        day: the last day that it counts.
        piece: number of the piece. The first piece, 0, contains the number of pieces.
    """

    community: str
    anchor: str
    day: str
    piece: int = 0

    @property
    def id(self) -> str:
        """Return the document's ``_id``."""
        return f"{self.community}:{self._anchor}"

    @property
    def fields(self) -> dict[str, str]:
        """Return the fields of the document besides ``state``."""
        return {
            "community_id": self.community,
            "anchor": self._anchor,
            "day": self.day,
        }

    @property
    def _anchor(self) -> str:
        return f"{self.anchor}:{self.piece}" if self.piece else self.anchor

    @classmethod
    def of(cls, fields: Mapping[str, list[str]]) -> Self:
        """Return a checkpoint from the doc values of its fields."""
        anchor, _, piece = fields["anchor"][0].partition(":")
        return cls(fields["community_id"][0], anchor, fields["day"][0], int(piece or 0))


class Checkpoints:
    """The stored checkpoints of usage.

    Args:
        client: decodes responses.
        names: the instance's index names.
        write: stores bulk actions, each of which names its index.
    """

    def __init__(
        self, client: OpenSearch, names: Names, write: Callable[[list[bytes]], None]
    ) -> None:
        self._client, self._index, self._write = client, names.between_runs, write
        self._actions = Actions(write)

    def kept(self, communities: Iterable[str]) -> list[Checkpoint]:
        """Return all pieces of the stored checkpoints of some communities."""
        try:
            self._client.indices.refresh(index=self._index)
        except NotFoundError:
            return []
        body = {
            "size": _MOST,
            "_source": False,
            "docvalue_fields": ["community_id", "anchor", "day"],
            "query": {
                "bool": {
                    "filter": [
                        {"terms": {"community_id": list(communities)}},
                        {"exists": {"field": "anchor"}},
                    ]
                }
            },
        }
        answer = self._client.search(index=self._index, body=body)
        return [Checkpoint.of(hit["fields"]) for hit in answer["hits"]["hits"]]

    def read(
        self, checkpoint: Checkpoint
    ) -> "tuple[UsageTotalsState, dict[str, array[int]]] | None":
        """Return the content of a checkpoint.

        Args:
            checkpoint: the first piece of the checkpoint.

        Returns:
            The totals, and the hashes by kind of thing; None if the checkpoint is
            incomplete because a run was killed while it stored it.
        """
        stored = self._client.get(index=self._index, id=checkpoint.id)
        first = stored["_source"]["state"]
        text = first["text"]
        for piece in range(1, first["pieces"]):
            id = replace(checkpoint, piece=piece).id
            answer = self._client.get(index=self._index, id=id, ignore=[404])
            text += answer.get("_source", {}).get("state", {}).get("text", "")
        if xxhash.xxh3_64_hexdigest(text.encode()) != first["mark"]:
            return None
        source = msgspec.json.decode(zlib.decompress(b64decode(text)))
        seen = source.pop("seen")
        return source, {kind: array_of(text) for kind, text in seen.items()}

    def save(
        self,
        checkpoint: Checkpoint,
        state: UsageTotalsState,
        seen: Mapping[str, pl.Series],
    ) -> list[str]:
        """Add a checkpoint to those that :meth:`flush` stores.

        Args:
            checkpoint: the checkpoint.
            state: its totals.
            seen: kind of thing -> hashes.

        Returns:
            The ``_id`` of each piece.
        """
        hashes = {
            kind: packed(seen[kind].sort().to_list()) for kind in SEEN if kind in seen
        }
        encoded = msgspec.json.encode({**state, "seen": hashes})
        text = b64encode(zlib.compress(encoded, 1)).decode()
        parts = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        mark = xxhash.xxh3_64_hexdigest(text.encode())
        ids = []
        for piece, part in enumerate(parts):
            its = replace(checkpoint, piece=piece)
            of_state: dict[str, str | int] = {"text": part}
            if not piece:
                of_state |= {"pieces": len(parts), "mark": mark}
            source = {**its.fields, "state": of_state}
            self._actions.index(self._index, its.id, source)
            ids.append(its.id)
        return ids

    def flush(self) -> None:
        """Store the saved checkpoints."""
        self._actions.flush()

    def delete(self, found: Iterable[Checkpoint]) -> None:
        """Delete checkpoints."""
        heads = [{"delete": {"_index": self._index, "_id": kept.id}} for kept in found]
        if heads:
            self._write([msgspec.json.encode(head) + b"\n" for head in heads])


class SeenThings:
    """The things that were used in some communities, with the first day of each.

    Args:
        communities: UUIDs and ``global``.
    """

    def __init__(self, communities: Iterable[str]) -> None:
        self._numbers = {community: n for n, community in enumerate(communities)}
        self._before = {kind: _Rows().frame().drop("day") for kind in SEEN}
        self._firsts: dict[str, pl.DataFrame] = {}
        self._days: list[str] = []

    def start(self, community: str, seen: "Mapping[str, array[int]]") -> None:
        """Start a community with the hashes of a checkpoint.

        Args:
            community: UUID or ``global``.
            seen: kind of thing -> hashes.
        """
        number = self._numbers[community]
        for kind, hashes in seen.items():
            rows = _Rows()
            rows.add(number, 0, hashes)
            found = rows.frame().select("community", "hash")
            self._before[kind] = self._before[kind].vstack(found)

    def month(self, sources: Sequence[SeenSource]) -> FirstSeen:
        """Add all things of a month; months must be added in order.

        Returns:
            The number of things that were used for the first time, by community and
            day.
        """
        self._close()
        days = sorted({source["period_start"] for source in sources})
        numbers = {day: n for n, day in enumerate(days)}
        names = list(self._numbers)
        new: FirstSeen = {}
        for kind in SEEN:
            rows = _Rows()
            for source in sources:
                if kind in source["seen"]:
                    number = self._numbers[source["community_id"]]
                    day = numbers[source["period_start"]]
                    rows.add(number, day, array_of(source["seen"][kind]))
            firsts = (
                rows.frame()
                .group_by("community", "hash")
                .agg(pl.col("day").min())
                .join(self._before[kind], on=["community", "hash"], how="anti")
            )
            self._firsts[kind] = firsts
            counts = firsts.group_by("community", "day").len()
            for number, day, count in counts.iter_rows():
                new.setdefault((names[number], days[day]), {})[kind] = count
        self._days = days
        return new

    def until(self, community: str, day: str) -> dict[str, pl.Series]:
        """Return what a community used before a day of the last added month.

        Args:
            community: UUID or ``global``.
            day: ``YYYY-MM-DD``.

        Returns:
            Kind of thing -> hashes.
        """
        mine = pl.col("community") == self._numbers[community]
        found = {}
        for kind in SEEN:
            hashes = self._before[kind].filter(mine)["hash"]
            if kind in self._firsts:
                before = bisect_left(self._days, day)
                earlier = self._firsts[kind].filter(mine & (pl.col("day") < before))
                hashes = pl.concat([hashes, earlier["hash"]])
            if len(hashes):
                found[kind] = hashes
        return found

    def _close(self) -> None:
        """Move the things of the last added month to those of earlier months."""
        for kind, firsts in self._firsts.items():
            self._before[kind] = pl.concat(
                [self._before[kind], firsts.select("community", "hash")]
            )
        self._firsts = {}


class _Rows:
    """Collects hashes with their community and day."""

    def __init__(self) -> None:
        self._communities, self._days = array("I"), array("I")
        self._hashes = array("Q")

    def add(self, community: int, day: int, hashes: "array[int]") -> None:
        self._communities += array("I", [community]) * len(hashes)
        self._days += array("I", [day]) * len(hashes)
        self._hashes += hashes

    def frame(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "community": pl.Series(self._communities, dtype=pl.UInt32),
                "day": pl.Series(self._days, dtype=pl.UInt32),
                "hash": pl.Series(self._hashes, dtype=pl.UInt64),
            }
        )
