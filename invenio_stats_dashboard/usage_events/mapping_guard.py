# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Seeing that a month maps enrichment before an enriched event is written to it.

A legacy month gets the additive mapping. Asked again before each write: a month's
name can lead to another index at any time, by a switch or by a rollback.
"""

import time

from opensearchpy.exceptions import NotFoundError, OpenSearchException, RequestError

from ..search.client import describe, is_transient, patiently, pauses
from ..search.mappings import additive

_TYPES = {"community_ids": "keyword", "enriched_at": "date"}
_BLOCKED = "cluster_block_exception"
_EXISTS = "resource_already_exists_exception"


class MappedMonths:
    """Tells which months take enriched events, and makes them do so.

    Args:
        client: an ordinary client.
        warn: called with a sentence once for each index that cannot be made to.
        block_limit: seconds to wait for a block that refuses a mapping; once, as long
            as it stays.
    """

    def __init__(self, client, warn, block_limit=30.0):
        """Keep what is needed."""
        self._client = client
        self._warn = warn
        self._block_limit = block_limit
        self._warned, self._blocked = set(), set()

    def of(self, months, limit, waiting=None):
        """Return the months that take enriched events now.

        A month that does not exist is created, as its first event would do.

        Args:
            months: names of indices or aliases.
            limit: seconds to go on trying while OpenSearch takes no requests.
            waiting: called with a sentence before each pause.

        Returns:
            set[str]: those of the names that map what enrichment adds.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        return {month for month in months if self._is_mapped(month, limit, waiting)}

    def _is_mapped(self, month, limit, waiting):
        # the chunks behind the first need not wait for a block that stays
        waits = pauses(0 if month in self._blocked else self._block_limit)
        while True:
            try:
                patiently(lambda: self._map(month), limit, waiting)
                self._blocked.discard(month)
                return True
            except OpenSearchException as error:
                # an index that is gone is one whose name leads elsewhere by now
                if not isinstance(error, NotFoundError) and not _is_block(error):
                    return self._without(month, error)
                pause = next(waits, None)
                if pause is None:
                    self._blocked.add(month)
                    return self._without(month, error)
            time.sleep(pause)

    def _map(self, month):
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

    def _create(self, month):
        try:
            self._client.indices.create(index=month)
        except RequestError as error:
            if error.error != _EXISTS:
                raise

    def _without(self, month, error):
        if month not in self._warned:
            self._warned.add(month)
            self._warn(
                f"Events of {month} are stored without enrichment, since it does "
                f"not take the mapping ({describe(error)})."
            )
        return False


def _maps(mapping):
    """Tell whether a mapping has what enrichment adds."""
    fields = mapping.get("properties", {})
    if any(fields.get(name, {}).get("type") != kind for name, kind in _TYPES.items()):
        return False
    return str(fields.get("subcounts", {}).get("dynamic")).lower() == "true"


def _is_block(error):
    return not is_transient(error) and getattr(error, "error", None) == _BLOCKED
