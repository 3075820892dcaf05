# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store the contributions of parents between runs.

A document contains what the parents of a range contribute to one community. If some of
these parents have changed, a run reads only their events and facts again. The documents
are computed from events and facts alone, so they can be made again at any time.
"""

import io
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import msgspec
import polars as pl
from opensearchpy import OpenSearch

from ...errors import StatsDashboardError
from ...search import bulk, index_templates
from ...search.client import patiently
from ...search.compare_and_set import Version
from ...search.multi_get import StoredSource, stored_sources
from ...search.names import Names
from ...search.paging import pages
from ..distinct_values import distinct
from ..documents import between_runs_mapping
from .contributions import OF_RANGE, Contributions
from .numbers import Numbers
from .record_reader import bounds
from .value_numbering import CellNumbers

_Item = TypeVar("_Item")

AT_ONCE = 16
"""Maximum number of documents in one request; one can have half a megabyte."""

_PARAMS = {"ignore_unavailable": "true"}


@dataclass(frozen=True)
class ContributionPlace:
    """Identifies a stored document: a community and a range of parents.

    Attributes:
        community: UUID or ``global``.
        part: number of the range, from 0.
        parts: number of equal ranges.
    """

    community: str
    part: int
    parts: int

    @property
    def id(self) -> str:
        """Return the document's ``_id``."""
        return f"{self.community}:{self.part}/{self.parts}"


def part_of(parent: str, parts: int) -> int:
    """Return the number of the range that a parent is in.

    Args:
        parent: id of the parent.
        parts: number of ranges.
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


_decode_source = msgspec.json.Decoder(_Source).decode


@dataclass(frozen=True)
class StoredContribution:
    """A document as it was read.

    Attributes:
        place: identifies the document.
        version: version that a write names to replace it.
        source: its JSON.
    """

    place: ContributionPlace
    version: Version
    source: msgspec.Raw

    def contributions(self, parents: Numbers, cells: CellNumbers) -> Contributions:
        """Decode the contributions.

        Args:
            parents: numbers of parents' ids.
            cells: numbers of breakdown values.
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

    def rows(self, cells: CellNumbers) -> pl.DataFrame:
        """Decode only the rows; the numbers of their parents are not valid."""
        return _rows(_decode_source(self.source).kept, cells)


def _rows(kept: _Rows, cells: CellNumbers) -> pl.DataFrame:
    numbers = pl.Series(cells.numbers(kept.cells), dtype=pl.UInt32)
    rows = pl.read_parquet(io.BytesIO(b64decode(kept.rows)))
    return rows.with_columns(cell=numbers.gather(rows.get_column("cell")))


def _source(
    place: ContributionPlace,
    contributions: Contributions,
    parents: Sequence[str],
    cells: CellNumbers,
) -> bytes:
    """Return the JSON of a document."""
    rows = contributions.rows
    dictionaries = {
        name: rows.get_column(name).unique().sort().to_list()
        for name in ("parent", "cell")
    }
    # Numbered from 0 within the document, so that the frame needs no text.
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
    """Reads and writes the stored contributions.

    Args:
        client: decodes responses.
        text_client: does not decode responses.
        names: the instance's index names.
        check: called before each write; raises when this run must not write any more.
        limit: seconds to retry while OpenSearch accepts no requests.
        waiting: called with a sentence before each pause.
    """

    def __init__(
        self,
        client: OpenSearch,
        text_client: OpenSearch,
        names: Names,
        check: Callable[[], None] | None = None,
        limit: float = 120,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self._client, self._text = client, text_client
        self._index, self._check = names.between_runs, check
        self._limit, self._waiting = limit, waiting

    def read(
        self, places: Iterable[ContributionPlace]
    ) -> Iterator[tuple[ContributionPlace, StoredContribution | None]]:
        """Yield the stored documents of some places, read in real time.

        A place without a document is yielded with None.
        """
        for chunk in _chunks(list(places), AT_ONCE):
            yield from self._read(chunk, {})

    def write(
        self,
        contributions: Sequence[
            tuple[ContributionPlace, Contributions, Version | None]
        ],
        parents: Sequence[str],
        cells: CellNumbers,
    ) -> None:
        """Store contributions in place of the documents that were read.

        If a document has changed since it was read, it is not replaced.

        Args:
            contributions: each with its place and the version that was read, or None.
            parents: number -> id.
            cells: numbers of breakdown values.

        Raises:
            StatsDashboardError: OpenSearch refuses a document.
        """
        for chunk in _chunks(contributions, AT_ONCE):
            self._send(
                [
                    self._action(place, version, _source(place, of_it, parents, cells))
                    for place, of_it, version in chunk
                ]
            )

    def put(
        self,
        contributions: Sequence[tuple[ContributionPlace, Contributions]],
        parents: Sequence[str],
        cells: CellNumbers,
    ) -> None:
        """Store contributions in place of any existing documents.

        Args:
            contributions: each with its place.
            parents: number -> id.
            cells: numbers of breakdown values.
        """
        for chunk in _chunks(contributions, AT_ONCE):
            places = [place for place, _ in chunk]
            stored = self._read(places, {"_source": "false"})
            versions = {p: found.version if found else None for p, found in stored}
            self.write([(p, of_it, versions[p]) for p, of_it in chunk], parents, cells)

    def make(self) -> None:
        """Create the index if it is missing."""
        self._patiently(
            lambda: index_templates.make(
                self._client, self._index, between_runs_mapping()
            )
        )

    def forget(self, communities: Iterable[str]) -> None:
        """Remove all contributions to some communities."""
        if self._check:
            self._check()
        self.refresh()
        for chunk in _chunks(sorted(communities), 1000):
            mine = {
                "filter": {"terms": {"community_id": chunk}},
                # Documents with an anchor are running totals of usage.
                "must_not": {"exists": {"field": "anchor"}},
            }
            body = {"query": {"bool": mine}}
            params = {
                "conflicts": "proceed",
                "refresh": "true",
                "ignore_unavailable": "true",
            }
            patiently(
                partial(
                    self._client.delete_by_query,
                    index=self._index,
                    body=body,
                    params=params,
                ),
                self._limit,
                self._waiting,
            )

    def refresh(self) -> None:
        """Make all written documents visible to searches."""
        params = {"ignore_unavailable": "true"}
        self._patiently(
            lambda: self._client.indices.refresh(index=self._index, params=params)
        )

    def due(self, today: str) -> set[str]:
        """Return the parents whose contributions change because a day has come.

        Args:
            today: the current day, ``YYYY-MM-DD``.

        Returns:
            The ids of the parents.
        """
        found: set[str] = set()
        body: dict[str, Any] = {
            "size": 1000,
            "query": {"range": {"due": {"lte": today}}},
            "sort": ["_doc"],
            "_source": ["due_parents"],
            "track_total_hits": False,
        }
        for hits in pages(self._search, body):
            for hit in hits:
                days = hit["_source"]["due_parents"].items()
                found.update(parent for parent, day in days if day <= today)
        return found

    def missing(self) -> Iterator[str]:
        """Yield the identifiers of all records that lack facts, sorted."""
        # A record that has facts by now must not be among them.
        self.refresh()
        for recid, _ in distinct(
            self._client, self._index, "missing", limit=self._limit
        ):
            yield recid

    def count_missing(self, community: str) -> int:
        """Return the number of a community's records that lack facts."""
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

    def _search(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self._patiently(
            lambda: self._client.search(index=self._index, body=body, params=_PARAMS)
        )
        return answer["hits"]["hits"]

    def _read(
        self, places: Sequence[ContributionPlace], params: Mapping[str, str]
    ) -> Iterator[tuple[ContributionPlace, StoredContribution | None]]:
        body = msgspec.json.encode({"ids": [place.id for place in places]})

        def read() -> list[StoredSource[msgspec.Raw]]:
            answer = self._text.transport.perform_request(
                "POST", f"/{self._index}/_mget", params=dict(params), body=body
            )
            return stored_sources(answer, msgspec.Raw)

        for place, doc in zip(places, self._patiently(read), strict=True):
            version = (doc.seq_no, doc.term)
            yield place, (
                StoredContribution(place, version, doc.source) if doc.found else None
            )

    def _action(
        self, place: ContributionPlace, version: Version | None, source: bytes
    ) -> bytes:
        head: dict[str, Any] = {"_index": self._index, "_id": place.id}
        if version is None:
            encoded = msgspec.json.encode({"create": head})
        else:
            head |= {"if_seq_no": version[0], "if_primary_term": version[1]}
            encoded = msgspec.json.encode({"index": head})
        return encoded + b"\n" + source + b"\n"

    def _send(self, actions: Sequence[bytes]) -> None:
        if self._check:
            self._check()
        refusals = bulk.write(
            self._text, None, actions, self._limit, waiting=self._waiting
        )
        if refusals:
            raise StatsDashboardError(
                "OpenSearch refuses to store the contributions of records "
                f"({refusals[0]}). Fix the cause, then run the same command again."
            )

    def _patiently(self, request: Callable[[], Any]) -> Any:
        return patiently(request, self._limit, self._waiting)


def _chunks(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
