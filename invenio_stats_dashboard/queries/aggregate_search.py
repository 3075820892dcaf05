# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Searches in the aggregates of one community: what is sent, and what comes back."""

from datetime import date

import msgspec

from ..aggregations.documents import day_field
from ..errors import SearchUnavailableError, StatsDashboardError
from ..search.client import TRANSIENT_STATUSES, patiently

LIMIT = 5.0
"""Seconds to go on trying while OpenSearch takes no requests: somebody waits."""

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
        body: of the request.
        told: paths of what is wanted of the answer; empty for all of it. Unlike a
            filter of sources it does not have a whole document made into objects, which
            takes five times as long.
    """

    index: str
    body: dict
    told: tuple[str, ...] = ()


class AggregateSearch:
    """Sends searches.

    Args:
        text_client: a client that does not decode.
        names: the instance's :class:`~..search.names.Names`.
        limit: seconds to go on trying while OpenSearch takes no requests.
    """

    def __init__(self, text_client, names, limit=LIMIT):
        """Keep what is needed."""
        self._client, self.names, self._limit = text_client, names, limit

    def ask(self, searches):
        """Send some searches in one request.

        Args:
            searches: list of :class:`SearchRequest`; either each or none says what is wanted
                of its answer, and each gets what any of them wants.

        Returns:
            list[msgspec.Raw]: the JSON of each answer, whole: an answer without some
            shards is none.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
            StatsDashboardError: OpenSearch refuses a search.
        """
        if not searches:
            return []
        return patiently(lambda: self._ask(searches), self._limit)

    def _ask(self, searches):
        lines = []
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

    def search(self, family, community, body, told=(), **bounds):
        """Return a search in a community's documents of a family.

        Args:
            family: of :data:`~..search.names.FAMILIES`.
            community: UUID or ``global``.
            body: of the request, without its query.
            told: see :class:`SearchRequest`.
            **bounds: ``gte``, ``lte`` and ``lt``: dates that limit the days.

        Returns:
            Search: to be sent.
        """
        query = days(day_field(family), community, bounds)
        return SearchRequest(
            self.names.aggregates(family), {**body, "query": query}, told
        )


def _params(searches):
    """Return the parameters of a request: what is wanted of its answers."""
    told = dict.fromkeys(path for search in searches for path in search.told)
    if not told:
        return {}
    # what is left of an answer is never nothing, so that all keep their places
    always = ("responses.status", "responses.error")
    return {"filter_path": ",".join((*always, *(f"responses.{path}" for path in told)))}


def _check(answer):
    found = _decode_answer(answer)
    reason = bytes(found.error)[:300].decode("utf-8", "replace")
    if not reason:
        return
    if found.status in TRANSIENT_STATUSES:
        raise SearchUnavailableError(
            f"OpenSearch does not answer a search completely: {reason}"
        )
    raise StatsDashboardError(f"OpenSearch refuses a search: {reason}")


def days(field, community, bounds):
    """Return the query of a community's documents of some days.

    Args:
        field: that holds the day.
        community: UUID or ``global``.
        bounds: dict of ``gte``, ``lte`` or ``lt`` -> date; none for all days.
    """
    filters = [{"term": {"community_id": community}}]
    if bounds:
        limits = {name: day.isoformat() for name, day in bounds.items()}
        filters.append({"range": {field: limits}})
    return {"bool": {"filter": filters}}


def ordinal(milliseconds):
    """Return the ordinal of the day of a date's sort value."""
    return milliseconds // _MILLISECONDS + _EPOCH
