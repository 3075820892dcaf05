# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What parents contribute, as it is kept between runs.

One document holds what the parents of a range contribute to one community, so that a run
in which some of them have changed reads these alone again. It is made of the events and
facts alone, and can be made again at any time.
"""

import io
from base64 import b64decode, b64encode
from bisect import bisect_right
from dataclasses import dataclass

import msgspec
import polars as pl

from ...errors import StatsDashboardError
from ...search import bulk, index_templates
from ...search.client import patiently, require_read
from ..documents import between_runs_mapping
from .contributions import OF_RANGE, Contributions
from .distinct import distinct
from .record_reader import bounds

AT_ONCE = 16
"""Documents in one request; each can have half a megabyte."""

_PARAMS = {"ignore_unavailable": "true", "allow_partial_search_results": "false"}


@dataclass(frozen=True)
class ContributionPlace:
    """Where contributions are kept.

    Attributes:
        community: UUID or ``global``.
        part: which of the equal ranges of parents, from 0.
        parts: how many ranges there are.
    """

    community: str
    part: int
    parts: int

    @property
    def id(self):
        """Return the document's ``_id``."""
        return f"{self.community}:{self.part}/{self.parts}"


def part_of(parent, parts):
    """Return the range that a parent is in.

    Args:
        parent: its id.
        parts: how many ranges there are.
    """
    return bisect_right(bounds(parts), parent)


class _Rows(msgspec.Struct):
    parents: list[str]
    cells: list[tuple[int, str]]
    rows: str


class _Source(msgspec.Struct):
    due_parents: dict[str, str]
    missing_parents: dict[str, list[str]]
    kept: _Rows


class _Error(msgspec.Struct):
    type: str
    reason: str | None = None


class _Doc(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    term: int = msgspec.field(name="_primary_term", default=-1)
    found: bool = False
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b""))
    error: _Error | None = None


class _Docs(msgspec.Struct):
    docs: list[_Doc]


_decode_docs = msgspec.json.Decoder(_Docs).decode
_decode_source = msgspec.json.Decoder(_Source).decode


@dataclass(frozen=True)
class StoredContribution:
    """One document as it was read.

    Attributes:
        place: where it is.
        version: to be named when it is replaced.
        source: its JSON.
    """

    place: ContributionPlace
    version: tuple[int, int]
    source: bytes

    def contributions(self, parents, cells):
        """Return what it holds.

        Args:
            parents: the :class:`~.numbers.Numbers` of parents' ids.
            cells: the :class:`~.interning.CellNumbers`.
        """
        source = _decode_source(self.source)
        rows = _rows(source.kept, cells)
        numbers = pl.Series(
            [parents[id] for id in source.kept.parents], dtype=pl.UInt32
        )
        rows = rows.with_columns(parent=numbers.gather(rows.get_column("parent")))
        return Contributions(
            rows.select(OF_RANGE.columns),
            {parents[id]: day for id, day in source.due_parents.items()},
            {parents[id]: ids for id, ids in source.missing_parents.items()},
        )

    def rows(self, cells):
        """Return its rows alone, whose parents' numbers mean nothing."""
        return _rows(_decode_source(self.source).kept, cells)


def _rows(kept, cells):
    numbers = pl.Series(cells.numbers(kept.cells), dtype=pl.UInt32)
    rows = pl.read_parquet(io.BytesIO(b64decode(kept.rows)))
    return rows.with_columns(cell=numbers.gather(rows.get_column("cell")))


def _source(place, contributions, parents, cells):
    """Return the JSON of a document."""
    rows = contributions.rows
    dictionaries = {
        name: rows.get_column(name).unique().sort().to_list()
        for name in ("parent", "cell")
    }
    # in the order of their numbers, from 0: names take no place in the frame
    local = rows.with_columns(
        (pl.col(name).rank("dense") - 1).cast(pl.UInt32) for name in dictionaries
    ).sort("basis", "parent", "day", "cell")
    file = io.BytesIO()
    local.write_parquet(file, compression="zstd", statistics=False)
    due = contributions.due.values()
    missing = contributions.missing
    return msgspec.json.encode(
        {
            "community_id": place.community,
            "due": min(due) if due else None,
            "missing": sorted(id for ids in missing.values() for id in ids),
            "due_parents": {parents[p]: d for p, d in contributions.due.items()},
            "missing_parents": {parents[p]: ids for p, ids in missing.items()},
            "kept": {
                "parents": [parents[number] for number in dictionaries["parent"]],
                "cells": [cells[number] for number in dictionaries["cell"]],
                "rows": b64encode(file.getvalue()).decode(),
            },
        }
    )


class ContributionStore:
    """The contributions that are kept.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's :class:`~...search.names.Names`.
        check: called before each write; raises when this run must not write any more.
        limit: seconds to go on trying while OpenSearch takes no requests.
        waiting: called with a sentence before each pause.
    """

    def __init__(self, client, text_client, names, check=None, limit=120, waiting=None):
        """Keep what is needed; reads nothing yet."""
        self._client, self._text = client, text_client
        self._index, self._check = names.between_runs, check
        self._limit, self._waiting = limit, waiting

    def read(self, places):
        """Yield what is stored in some places, as of this moment.

        Args:
            places: iterable of :class:`ContributionPlace`.

        Yields:
            tuple: the place, and its :class:`StoredContribution` or None.
        """
        for chunk in _chunks(list(places), AT_ONCE):
            yield from self._read(chunk, {})

    def write(self, contributions, parents, cells):
        """Store contributions, in place of what was read.

        Args:
            contributions: list of (:class:`ContributionPlace`, :class:`Contributions`, version).
            parents: number -> id.
            cells: the :class:`~.interning.CellNumbers`.

        Raises:
            StatsDashboardError: OpenSearch refuses one for good.
        """
        for chunk in _chunks(contributions, AT_ONCE):
            self._send(
                [
                    self._action(place, version, _source(place, of_it, parents, cells))
                    for place, of_it, version in chunk
                ]
            )

    def put(self, contributions, parents, cells):
        """Store contributions, in place of whatever there is.

        Args:
            contributions: list of (:class:`ContributionPlace`, :class:`Contributions`).
            parents: number -> id.
            cells: the :class:`~.interning.CellNumbers`.
        """
        for chunk in _chunks(contributions, AT_ONCE):
            places = [place for place, _ in chunk]
            stored = self._read(places, {"_source": "false"})
            versions = {place: found and found.version for place, found in stored}
            self.write([(p, of_it, versions[p]) for p, of_it in chunk], parents, cells)

    def make(self):
        """Make the index where it is missing."""
        self._patiently(
            lambda: index_templates.make(
                self._client, self._index, between_runs_mapping()
            )
        )

    def forget(self, communities):
        """Remove all that is kept of some communities."""
        if self._check:
            self._check()
        self.refresh()
        for chunk in _chunks(sorted(communities), 1000):
            mine = {
                "filter": {"terms": {"community_id": chunk}},
                # those are running totals of usage
                "must_not": {"exists": {"field": "anchor"}},
            }
            body = {"query": {"bool": mine}}
            params = {
                "conflicts": "proceed",
                "refresh": "true",
                "ignore_unavailable": "true",
            }
            patiently(
                lambda body=body, params=params: self._client.delete_by_query(
                    index=self._index, body=body, params=params
                ),
                self._limit,
                self._waiting,
            )

    def refresh(self):
        """Make what was written visible."""
        params = {"ignore_unavailable": "true"}
        self._patiently(
            lambda: self._client.indices.refresh(index=self._index, params=params)
        )

    def due(self, today):
        """Return the parents of which a record comes or goes by itself.

        Args:
            today: the present day, ``YYYY-MM-DD``.

        Returns:
            set[str]: their ids.
        """
        found = set()
        body = {
            "size": 1000,
            "query": {"range": {"due": {"lte": today}}},
            "sort": ["_doc"],
            "_source": ["due_parents"],
            "track_total_hits": False,
        }
        while hits := self._search(body):
            for hit in hits:
                days = hit["_source"]["due_parents"].items()
                found.update(parent for parent, day in days if day <= today)
            body["search_after"] = hits[-1]["sort"]
        return found

    def missing(self):
        """Yield the records without facts that are left out, sorted."""
        # one that has got its facts since must not count as one without
        self.refresh()
        for recid, _ in distinct(
            self._client, self._index, "missing", limit=self._limit
        ):
            yield recid

    def count_missing(self, community):
        """Return how many records without facts are left out of a community."""
        body = {
            "size": 0,
            "query": {"term": {"community_id": community}},
            "aggs": {"missing": {"value_count": {"field": "missing"}}},
            "track_total_hits": False,
        }
        answer = self._patiently(
            lambda: self._client.search(index=self._index, body=body, params=_PARAMS)
        )
        return answer.get("aggregations", {}).get("missing", {}).get("value", 0)

    # -- inside -------------------------------------------------------------

    def _search(self, body):
        answer = self._patiently(
            lambda: self._client.search(index=self._index, body=body, params=_PARAMS)
        )
        return answer["hits"]["hits"]

    def _read(self, places, params):
        body = msgspec.json.encode({"ids": [place.id for place in places]})

        def read():
            answer = self._text.transport.perform_request(
                "POST", f"/{self._index}/_mget", params=dict(params), body=body
            )
            return require_read(_decode_docs(answer).docs)

        for place, doc in zip(places, self._patiently(read), strict=True):
            version = (doc.seq_no, doc.term)
            yield place, (
                StoredContribution(place, version, doc.source) if doc.found else None
            )

    def _action(self, place, version, source):
        head = {"_index": self._index, "_id": place.id}
        if version is None:
            encoded = msgspec.json.encode({"create": head})
        else:
            head |= {"if_seq_no": version[0], "if_primary_term": version[1]}
            encoded = msgspec.json.encode({"index": head})
        return encoded + b"\n" + source + b"\n"

    def _send(self, actions):
        if self._check:
            self._check()
        refusals = bulk.write(
            self._text, None, actions, self._limit, waiting=self._waiting
        )
        if refusals:
            raise StatsDashboardError(
                f"OpenSearch refuses what records contribute ({refusals[0]}). Run the "
                "same command again when what it complains about is mended."
            )

    def _patiently(self, request):
        return patiently(request, self._limit, self._waiting)


def _chunks(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]
