# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Running totals that are kept, so that snapshots need not be counted from the start.

A state holds what a community's snapshots are continued from: all cells, also those
that a snapshot does not show, and what was seen at all, as hashes. One is kept of the
day before the newest delta (which is what the next run changes), and one of the end of
each year before it (so that a late event costs a year at most).
"""

import zlib
from array import array
from base64 import b64decode, b64encode
from bisect import bisect_left
from dataclasses import dataclass, replace

import msgspec
import polars as pl
import xxhash
from opensearchpy.exceptions import NotFoundError

from ..aggregate_store import Actions
from .counting import SEEN
from .documents import array_of, packed

LATEST = "latest"
"""The anchor of the day before the newest delta; the others are years."""

PIECE = 4_000_000
"""Characters of a state in one document.

The seen things of an instance with a million records have a hundred megabytes, and that
is more than OpenSearch takes in one request.
"""

_MOST = 10_000


@dataclass(frozen=True)
class Checkpoint:
    """A state that there is, or a part of one.

    Attributes:
        community: UUID or ``global``.
        anchor: ``latest`` or a year.
        day: the last day that it holds.
        piece: number of the part; 0 tells of the others.
    """

    community: str
    anchor: str
    day: str
    piece: int = 0

    @property
    def id(self):
        """Return the document's ``_id``."""
        return f"{self.community}:{self._anchor}"

    @property
    def fields(self):
        """Return what is stored of it besides the state."""
        return {
            "community_id": self.community,
            "anchor": self._anchor,
            "day": self.day,
        }

    @property
    def _anchor(self):
        return f"{self.anchor}:{self.piece}" if self.piece else self.anchor

    @classmethod
    def of(cls, fields):
        """Return it, given its doc values."""
        anchor, _, piece = fields["anchor"][0].partition(":")
        return cls(fields["community_id"][0], anchor, fields["day"][0], int(piece or 0))


class Checkpoints:
    """The kept states of usage.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~...search.names.Names`.
        write: stores bulk actions, each with its index.
    """

    def __init__(self, client, names, write):
        """Keep what is needed."""
        self._client, self._index, self._write = client, names.between_runs, write
        self._actions = Actions(write)

    def kept(self, communities):
        """Return which states there are of some communities, with all parts, as a list."""
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
        params = {"allow_partial_search_results": "false"}
        answer = self._client.search(index=self._index, body=body, params=params)
        return [Checkpoint.of(hit["fields"]) for hit in answer["hits"]["hits"]]

    def read(self, kept):
        """Return a state's totals and what was seen.

        Args:
            kept: the :class:`Checkpoint`, its first part.

        Returns:
            tuple: for :class:`~.usage_totals.UsageTotals`, and kind -> array of hashes; or None
            if it is not there as a whole: a run was killed while it stored it.
        """
        first = self._client.get(index=self._index, id=kept.id)["_source"]["state"]
        text = first["text"]
        for piece in range(1, first["pieces"]):
            id = replace(kept, piece=piece).id
            answer = self._client.get(index=self._index, id=id, ignore=[404])
            text += answer.get("_source", {}).get("state", {}).get("text", "")
        if xxhash.xxh3_64_hexdigest(text.encode()) != first["mark"]:
            return None
        source = msgspec.json.decode(zlib.decompress(b64decode(text)))
        seen = source.pop("seen")
        return source, {kind: array_of(text) for kind, text in seen.items()}

    def save(self, kept, state, seen):
        """Store a state, with others: :meth:`flush` must follow.

        Args:
            kept: the :class:`Checkpoint`.
            state: of :meth:`~.usage_totals.UsageTotals.state`.
            seen: kind -> column of hashes.

        Returns:
            list[str]: the ``_id`` s of its parts.
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
            its = replace(kept, piece=piece)
            of_state = {"text": part}
            if not piece:
                of_state |= {"pieces": len(parts), "mark": mark}
            source = {**its.fields, "state": of_state}
            self._actions.index(self._index, its.id, source)
            ids.append(its.id)
        return ids

    def flush(self):
        """Store what is saved."""
        self._actions.flush()

    def delete(self, found):
        """Remove states that do not hold any more."""
        heads = [{"delete": {"_index": self._index, "_id": kept.id}} for kept in found]
        if heads:
            self._write([msgspec.json.encode(head) + b"\n" for head in heads])


class SeenThings:
    """What was seen in some communities, and on which day first.

    Args:
        communities: list of UUIDs and ``global``.
    """

    def __init__(self, communities):
        """Begin with nothing."""
        self._numbers = {community: n for n, community in enumerate(communities)}
        self._before = {kind: _Rows().frame().drop("day") for kind in SEEN}
        self._firsts, self._days = {}, []

    def start(self, community, seen):
        """Begin a community where a state was taken.

        Args:
            community: UUID or ``global``.
            seen: kind -> array of hashes.
        """
        number = self._numbers[community]
        for kind, hashes in seen.items():
            rows = _Rows()
            rows.add(number, 0, hashes)
            found = rows.frame().select("community", "hash")
            self._before[kind] = self._before[kind].vstack(found)

    def month(self, sources):
        """Take in what was seen in a month; the months must come in their order.

        Args:
            sources: list of decoded documents of the family ``usage-seen``.

        Returns:
            dict: (community, day) -> kind -> how many were seen for the first time.
        """
        self._close()
        days = sorted({source["period_start"] for source in sources})
        numbers = {day: n for n, day in enumerate(days)}
        names, new = list(self._numbers), {}
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

    def until(self, community, day):
        """Return what a community had seen before a day of the month at hand.

        Args:
            community: UUID or ``global``.
            day: ``YYYY-MM-DD``.

        Returns:
            dict: kind -> column of hashes.
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

    def _close(self):
        for kind, firsts in self._firsts.items():
            self._before[kind] = pl.concat(
                [self._before[kind], firsts.select("community", "hash")]
            )
        self._firsts = {}


class _Rows:
    """Collects hashes with their community and day."""

    def __init__(self):
        self._communities, self._days = array("I"), array("I")
        self._hashes = array("Q")

    def add(self, community, day, hashes):
        self._communities += array("I", [community]) * len(hashes)
        self._days += array("I", [day]) * len(hashes)
        self._hashes += hashes

    def frame(self):
        return pl.DataFrame(
            {
                "community": pl.Series(self._communities, dtype=pl.UInt32),
                "day": pl.Series(self._days, dtype=pl.UInt32),
                "hash": pl.Series(self._hashes, dtype=pl.UInt64),
            }
        )
