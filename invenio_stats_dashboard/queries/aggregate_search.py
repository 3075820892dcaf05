# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Search the aggregates of one community, with several searches in a request."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from ..aggregations.documents import day_field
from ..errors import SearchUnavailableError, StatsDashboardError
from ..search.client import TRANSIENT_STATUSES, patiently
from ..search.names import Names

LIMIT = 5.0
"""Seconds to retry while OpenSearch is unavailable; short, because a user waits."""

_EPOCH = date(1970, 1, 1).toordinal()
_MILLISECONDS = 86_400_000


class _Answer(msgspec.Struct):
    status: int = 200
    error: msgspec.Raw = msgspec.Raw()


class _Answers(msgspec.Struct):
    responses: list[msgspec.Raw]


_decode_answers = msgspec.json.Decoder(_Answers).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode


class SearchRequest(msgspec.Struct, frozen=True):
    """One search.

    Attributes:
        index: names, separated by commas.
        body: the body of the request.
        paths: the paths of the response to return (``filter_path``); empty for all of
            it. A source filter would parse the whole document into objects, which takes
            five times as long.
    """

    index: str
    body: dict[str, Any]
    paths: tuple[str, ...] = ()


class AggregateSearch:
    """Sends searches.

    Args:
        text_client: returns undecoded bodies.
        names: the names of the instance's indices.
        limit: seconds to retry while OpenSearch is unavailable.
    """

    def __init__(
        self, text_client: OpenSearch, names: Names, limit: float = LIMIT
    ) -> None:
        self._client, self.names, self._limit = text_client, names, limit

    def ask(self, searches: Sequence[SearchRequest]) -> list[msgspec.Raw]:
        """Send some searches in one request.

        Args:
            searches: either all or none have ``paths``. Each response has the paths of
                all of them.

        Returns:
            The JSON of each response. A response without some shards is an error.

        Raises:
            SearchUnavailableError: OpenSearch was unavailable for too long.
            StatsDashboardError: OpenSearch refuses a search.
        """
        if not searches:
            return []
        return patiently(lambda: self._ask(searches), self._limit)

    def _ask(self, searches: Sequence[SearchRequest]) -> list[msgspec.Raw]:
        lines: list[bytes] = []
        for search in searches:
            head = {
                "index": search.index,
                "ignore_unavailable": True,
                "allow_no_indices": True,
                "allow_partial_search_results": False,
            }
            lines += [msgspec.json.encode(head), msgspec.json.encode(search.body)]
        answer = self._client.transport.perform_request(
            "POST",
            "/_msearch",
            params=_params(searches),
            headers={"content-type": "application/x-ndjson"},
            body=b"\n".join(lines) + b"\n",
        )
        answers = _decode_answers(answer).responses
        for found in answers:
            _check(found)
        return answers

    def search(
        self,
        family: str,
        community: str,
        body: dict[str, Any],
        paths: tuple[str, ...] = (),
        **bounds: date,
    ) -> SearchRequest:
        """Return a search in a community's documents of a family.

        Args:
            family: one of :data:`~..search.names.FAMILIES`.
            community: UUID or ``global``.
            body: the body of the request, without its query.
            paths: see :class:`SearchRequest`.
            **bounds: limits of the days: ``gte``, ``lte`` and ``lt``.
        """
        query = days(day_field(family), community, bounds)
        return SearchRequest(
            self.names.aggregates(family), {**body, "query": query}, paths
        )


def _params(searches: Sequence[SearchRequest]) -> dict[str, str]:
    """Return the parameters of a request: the paths of its responses."""
    paths = dict.fromkeys(path for search in searches for path in search.paths)
    if not paths:
        return {}
    # a response without any of its paths would be left out of the list
    always = ("responses.status", "responses.error")
    wanted = (f"responses.{path}" for path in paths)
    return {"filter_path": ",".join((*always, *wanted))}


def _check(answer: msgspec.Raw) -> None:
    found = _decode_answer(answer)
    reason = bytes(found.error)[:300].decode("utf-8", "replace")
    if not reason:
        return
    if found.status in TRANSIENT_STATUSES:
        raise SearchUnavailableError(
            f"OpenSearch returned an incomplete result: {reason}"
        )
    raise StatsDashboardError(f"OpenSearch refuses a search: {reason}")


def days(field: str, community: str, bounds: Mapping[str, date]) -> dict[str, Any]:
    """Return the query for a community's documents of some days.

    Args:
        field: the field that holds the day.
        community: UUID or ``global``.
        bounds: ``gte``, ``lte`` or ``lt`` -> day; empty for all days.
    """
    filters: list[dict[str, Any]] = [{"term": {"community_id": community}}]
    if bounds:
        limits = {name: day.isoformat() for name, day in bounds.items()}
        filters.append({"range": {field: limits}})
    return {"bool": {"filter": filters}}


def ordinal(milliseconds: int) -> int:
    """Return the ordinal of the day that a sort value of a date field stands for."""
    return milliseconds // _MILLISECONDS + _EPOCH
