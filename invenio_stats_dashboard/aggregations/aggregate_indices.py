# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create, check and name the indices of the aggregates.

A family starts with one index and gets another when that one is too large. The run that
holds the aggregation's lock decides when. It writes two things in this order:

1. It announces, in a document that it writes by compare-and-set, up to which year
   documents go to the existing indices.
2. It writes documents of these years.

A new index starts only with a year that was never announced. If a frozen run writes
after another run has taken over, it therefore writes to the same indices as that run.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from itertools import zip_longest
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, TransportError

from .. import config
from ..errors import (
    ClusterNotHealthyError,
    LockLostError,
    NotReadyError,
    SearchUnavailableError,
    StatsDashboardError,
)
from ..search.client import describe, is_transient
from ..search.compare_and_set import Bookmark
from ..search.names import FIRST_YEAR, Names
from .documents import day_field, mapping
from .index_layout import FamilyIndex, Layout, read_layout, write_alias_name

DOCUMENT_ID = "layout:aggregates"
"""Id of the document that stores the announced years, in the index of bookmarks."""

DESTROY = "invenio community-stats destroy-indices"
"""The command that deletes all aggregates; the next run counts them again."""

_BLOCKED = ("cluster_block_exception", "index_create_block_exception")


def earlier_layout(indices: Sequence[str]) -> str:
    """Return a sentence about indices of an earlier layout.

    Args:
        indices: their names, at least one.
    """
    more = f" and {len(indices) - 1} more" if len(indices) > 1 else ""
    return (
        f"The aggregates are in indices of an earlier layout ({indices[0]}{more}), "
        f"which cannot be extended. Run '{DESTROY}', which deletes only aggregates; "
        "the next run counts them again."
    )


class AggregateIndices:
    """Finds and creates the indices of all families.

    A helper of a run only looks up where documents go. Only the run that holds the
    aggregation's lock changes indices.

    Args:
        names: the instance's index names.
        gigabytes: maximum primary data in a shard; above it, another index starts.
        check: raises when this run must not write any more.
        today: returns the current UTC day.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        gigabytes: float = config.COMMUNITY_STATS_AGGREGATES_SHARD_GB,
        check: Callable[[], None] | None = None,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._client, self._names = client, names
        self._bytes = gigabytes * 10**9
        self._check, self._today = check or (lambda: None), today
        self._known: Layout | None = None
        self._noted: Bookmark | None = None

    # -- where documents go ---------------------------------------------------

    def write_alias(self, family: str, day: str) -> str:
        """Return the alias through which a new document is written.

        Args:
            family: one of :data:`~..search.names.FAMILIES` or ``INTERNAL``.
            day: day of the document, ``YYYY-MM-DD``.

        Raises:
            LockLostError: no index holds the day; all were deleted since the run
                started.
        """
        index = self._layout.holding(family, day)
        if index is None:
            raise LockLostError(
                f"No index of {self._names.aggregates(family)} holds {day}; it was "
                "deleted since this run started. Run the same command again."
            )
        return index.write_alias

    def write_alias_of(self, name: str) -> str:
        """Return the alias through which a stored document is written again.

        Args:
            name: name of the index that contains it.
        """
        index = self._layout.named(name)
        # Another program has added an index without such an alias to the family.
        return index.write_alias if index else name

    @property
    def _layout(self) -> Layout:
        if self._known is None:
            self._known = read_layout(self._client, self._names)
        return self._known

    # -- for the run that holds the lock ----------------------------------------

    def require_current(self) -> None:
        """Check that no index of an earlier layout exists.

        Raises:
            NotReadyError: one exists; the message names the command that deletes it.
        """
        if self._layout.yearly:
            raise NotReadyError(earlier_layout(self._layout.yearly))

    def begin(self, families: Collection[str]) -> list[str]:
        """Check the indices of some families before anything is written.

        Args:
            families: names of families.

        Returns:
            Reasons why stored documents may be wrong, one clause each: an index was
            restored, deleted or created by another program. The caller then records
            that all documents of the families must be written again, and calls
            :meth:`settle`.

        Raises:
            NotReadyError: an index of an earlier layout exists.
        """
        self._known, self._noted = None, None
        self.require_current()
        for name in self._layout.unused:
            if not self._count(name):
                self._remove(name)
        noted, untrusted = self._of(families, self._uuids), []
        there = self._there(families)
        for name in sorted(noted.keys() | there.keys()):
            if name not in there:
                untrusted.append(f"{name} is missing")
            elif name not in noted and self._count(name):
                untrusted.append(f"{name} was not recorded by the last run")
            elif name in noted and noted[name] != there[name]:
                untrusted.append(f"{name} was restored or recreated")
        if not untrusted:
            self._note_indices(families)
        return untrusted

    def settle(self, families: Collection[str]) -> None:
        """Remove documents that belong to another index, and record the indices.

        Args:
            families: names of families whose documents will all be written again.
        """
        for family in families:
            indices = self._layout.families[family]
            for index, following in zip_longest(indices, indices[1:]):
                self._remove_others(index, following, day_field(family))
        self._note_indices(families)

    def until(self, families: Collection[str]) -> int:
        """Return the last year for which documents of all families can be written."""
        return min(self._announced(family) for family in families)

    def prepare(
        self, families: Collection[str], years: Iterable[int | str] = ()
    ) -> None:
        """Create the missing indices for documents of some years.

        If the newest index of a family is too large, another one starts with the first
        of the years that was not announced yet.

        Args:
            families: names of families.
            years: years of the documents that will be written.

        Raises:
            LockLostError: another run has announced years in the meantime.
            StatsDashboardError: OpenSearch refuses to create an index.
        """
        known = {int(year) for year in years}
        wanted = sorted(year for year in known if year <= self._last_year)
        missing, announced = [], {}
        for family in families:
            last = self._announced(family)
            new = [year for year in wanted if year > last]
            starts = {index.start for index in self._layout.families[family]}
            if FIRST_YEAR not in starts:
                missing.append((family, FIRST_YEAR))
            if new and (year := self._next(family, new)):
                missing.append((family, year))
            if new:
                announced[family] = new[-1]
        if announced:
            # Announce the years before creating the index, so that all runs agree.
            until = {**self._note.data.get("until", {}), **announced}
            self._check()
            self._note.write(kind="layout", until=until)
        if missing:
            self._create(missing)
            self._known = None
            self._note_indices({family for family, _ in missing})

    # -- inside -----------------------------------------------------------------

    @property
    def _note(self) -> Bookmark:
        if self._noted is None:
            index = self._names.bookmarks
            self._noted = Bookmark(self._client, index, DOCUMENT_ID)
        return self._noted

    @property
    def _uuids(self) -> dict[str, str]:
        return self._note.data.get("indices", {})

    @property
    def _last_year(self) -> int:
        """Return the last year that may be announced.

        An event with a wrong clock, for example of 2199, would otherwise prevent all
        earlier years from getting a new index.
        """
        return self._today().year + 1

    def _of(self, families: Collection[str], uuids: dict[str, str]) -> dict[str, str]:
        """Return the indices that belong to some families."""
        return {
            name: uuid
            for name, uuid in uuids.items()
            if any(self._names.year_from(f, name) is not None for f in families)
        }

    def _there(self, families: Collection[str]) -> dict[str, str]:
        return {
            index.name: index.uuid
            for family in families
            for index in self._layout.families[family]
        }

    def _announced(self, family: str) -> int:
        """Return the last year of which documents may have been written."""
        until = self._note.data.get("until", {})
        # The document may have been deleted with the index of bookmarks.
        return until[family] if family in until else self._newest(family)

    def _newest(self, family: str) -> int:
        """Return the year of the newest document up to :attr:`_last_year`, or 0."""
        alias, field = self._names.aggregates(family), day_field(family)
        bound = {"range": {field: {"lt": f"{self._last_year + 1:04d}-01-01"}}}
        body = {"size": 1, "query": bound, "sort": [{field: "desc"}], "_source": False}
        body["docvalue_fields"] = [{"field": field, "format": "yyyy"}]
        if not self._layout.families[family]:
            return 0
        self._client.indices.refresh(index=alias)
        answer = self._client.search(index=alias, body=body)
        return max(
            (int(hit["fields"][field][0]) for hit in answer["hits"]["hits"]), default=0
        )

    def _next(self, family: str, years: list[int]) -> int | None:
        """Return the year that starts another index, or None if none is needed."""
        indices = self._layout.families[family]
        if not indices or self._size(indices[-1]) <= self._bytes * indices[-1].shards:
            return None
        newest = max(self._newest(family), indices[-1].start)
        return next((year for year in years if year > newest), None)

    def _size(self, index: FamilyIndex) -> int:
        """Return the size of an index's primary shards in bytes."""
        self._client.indices.refresh(index=index.name)
        # Store statistics can be ten seconds old, so this sums the segments.
        answer = self._client.indices.segments(index=index.name)
        return sum(
            segment["size_in_bytes"]
            for copies in answer["indices"][index.name]["shards"].values()
            for copy in copies
            if copy["routing"]["primary"]
            for segment in copy["segments"].values()
        )

    def _count(self, name: str) -> int:
        self._client.indices.refresh(index=name)
        return self._client.count(index=name)["count"]

    def _create(self, missing: list[tuple[str, int]]) -> None:
        """Create indices, and add them to their families once they are searchable.

        Args:
            missing: (family, first year) of each index.
        """
        actions = []
        for family, year in missing:
            name = self._names.aggregates_from(family, year)
            self._create_one(name, mapping(family))
            write_alias = write_alias_name(name, secrets.token_hex(4))
            for alias in (self._names.aggregates(family), write_alias):
                actions.append({"add": {"index": name, "alias": alias}})
        names = sorted({action["add"]["index"] for action in actions})
        # OpenSearch waits for at most 30 seconds.
        health = self._client.cluster.health(
            index=",".join(names), params={"wait_for_status": "yellow", "ignore": 408}
        )
        if health["timed_out"]:
            raise SearchUnavailableError(
                f"The shards of new indices ({', '.join(names)}) have not started yet. "
                "Run the same command again when the cluster is healthy."
            )
        # A second request, after the check: if another run has taken over, the indices
        # that this run created remain in no alias.
        self._check()
        self._client.indices.update_aliases(body={"actions": actions})

    def _create_one(self, name: str, mappings: dict[str, Any]) -> None:
        self._check()
        try:
            self._client.indices.create(
                index=name,
                # The template sets the numbers of shards and replicas.
                body={"mappings": mappings},
                params={"wait_for_active_shards": "0"},
            )
        except TransportError as error:
            if is_transient(error):
                raise
            if not self._is_unused(name):
                raise _refused(name, error) from error
            # The response to a first attempt was lost, or the run that created the
            # index died.

    def _is_unused(self, name: str) -> bool:
        """Return whether an index belongs to this package, is empty and in no alias."""
        unused = read_layout(self._client, self._names).unused
        return name in unused and not self._count(name)

    def _remove(self, name: str) -> None:
        self._check()
        with suppress(NotFoundError):
            self._client.indices.delete(index=name)

    def _remove_others(
        self, index: FamilyIndex, following: FamilyIndex | None, field: str
    ) -> None:
        """Remove documents from an index that does not hold their years."""
        others = [{"range": {field: {"lt": f"{index.start:04d}-01-01"}}}]
        if following:
            others.append({"range": {field: {"gte": f"{following.start:04d}-01-01"}}})
        self._client.indices.refresh(index=index.name)
        self._check()
        self._client.delete_by_query(
            index=index.name,
            body={"query": {"bool": {"should": others, "minimum_should_match": 1}}},
            params={"conflicts": "proceed", "refresh": "true"},
        )

    def _note_indices(self, families: Collection[str]) -> None:
        """Record the existing indices, if they differ from the recorded ones."""
        of_others = {
            name: uuid
            for name, uuid in self._uuids.items()
            if name not in self._of(families, self._uuids)
        }
        uuids = {**of_others, **self._there(families)}
        if uuids != self._uuids:
            self._check()
            self._note.write(kind="layout", indices=uuids)


def _refused(name: str, error: TransportError) -> StatsDashboardError:
    """Return the error to raise when OpenSearch refuses to create an index."""
    reason = describe(error)
    if error.error in _BLOCKED:
        return ClusterNotHealthyError(
            f"The cluster currently creates no new indices ({reason}). Free disk "
            "space, then run the same command again."
        )
    if error.error == "resource_already_exists_exception":
        return StatsDashboardError(
            f"The index {name} exists, but it is closed, was restored without its "
            "aliases, or does not belong to this package. Delete or rename it, then "
            "run the same command again."
        )
    return StatsDashboardError(
        f"The index {name} could not be created ({reason}). Fix the cause, then run "
        "the same command again."
    )
