# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Make a month map the enriched fields before events are written to it.

A legacy index gets the additive mapping. The mapping is checked before each write,
because a cut-over or a rollback can move the name of a month to another index.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException, RequestError

from ..search.client import describe, is_transient, patiently, pauses
from ..search.mappings import additive

BLOCK_LIMIT = 30.0
"""Seconds to wait for a block to end before a month is used without its mapping."""

_TYPES = {"community_ids": "keyword", "enriched_at": "date"}
_BLOCKED = "cluster_block_exception"
_EXISTS = "resource_already_exists_exception"


class MappedMonths:
    """Finds the months that can store enriched events, and adds missing mappings.

    Args:
        client: decodes responses.
        warn: called with a sentence once for each month that refuses the mapping.
        block_limit: seconds to wait for a block to end. Later calls do not wait while
            the block remains.
    """

    def __init__(
        self,
        client: OpenSearch,
        warn: Callable[[str], None],
        block_limit: float = BLOCK_LIMIT,
    ) -> None:
        self._client = client
        self._warn = warn
        self._block_limit = block_limit
        self._warned: set[str] = set()
        self._blocked: set[str] = set()

    def of(
        self,
        months: Iterable[str],
        limit: float,
        waiting: Callable[[str], None] | None = None,
    ) -> set[str]:
        """Return the months that can store enriched events now.

        A missing month is created, as its first event would do.

        Args:
            months: names of indices or aliases.
            limit: seconds to retry while OpenSearch accepts no requests.
            waiting: called with a sentence before each pause.

        Returns:
            The names that map the enriched fields.

        Raises:
            SearchUnavailableError: OpenSearch accepted no request within ``limit``.
        """
        return {month for month in months if self._is_mapped(month, limit, waiting)}

    def _is_mapped(
        self, month: str, limit: float, waiting: Callable[[str], None] | None
    ) -> bool:
        # Only the first chunk waits for a block to end.
        waits = pauses(0 if month in self._blocked else self._block_limit)
        while True:
            try:
                patiently(lambda: self._map(month), limit, waiting)
                self._blocked.discard(month)
                return True
            except OpenSearchException as error:
                # A missing index means that its name has moved to another index.
                if not isinstance(error, NotFoundError) and not _is_block(error):
                    return self._without(month, error)
                pause = next(waits, None)
                if pause is None:
                    self._blocked.add(month)
                    return self._without(month, error)
            time.sleep(pause)

    def _map(self, month: str) -> None:
        try:
            indices = self._client.indices.get_mapping(index=month)
        except NotFoundError:
            self._create(month)
            indices = self._client.indices.get_mapping(index=month)
        for index, body in indices.items():
            if not _maps(body["mappings"]):
                self._client.indices.put_mapping(
                    index=index, body=additive(body["mappings"])
                )

    def _create(self, month: str) -> None:
        try:
            self._client.indices.create(index=month)
        except RequestError as error:
            if error.error != _EXISTS:
                raise

    def _without(self, month: str, error: OpenSearchException) -> bool:
        if month not in self._warned:
            self._warned.add(month)
            self._warn(
                f"Events of {month} are stored without enrichment, because OpenSearch "
                f"refuses to map the enriched fields ({describe(error)})."
            )
        return False


def _maps(mapping: dict[str, Any]) -> bool:
    """Return whether a mapping has the enriched fields."""
    fields = mapping.get("properties", {})
    if any(fields.get(name, {}).get("type") != kind for name, kind in _TYPES.items()):
        return False
    return str(fields.get("subcounts", {}).get("dynamic")).lower() == "true"


def _is_block(error: OpenSearchException) -> bool:
    return not is_transient(error) and getattr(error, "error", None) == _BLOCKED
