# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create OpenSearch clients, and retry requests that fail.

The migration reads and writes millions of documents. It must see their exact bytes
and decode no more than it needs, so its client returns response bodies as text.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload

import msgspec
from flask import Flask
from opensearchpy import OpenSearch, Transport
from opensearchpy.exceptions import (
    ConnectionError,
    ConnectionTimeout,
    OpenSearchException,
    TransportError,
)
from opensearchpy.serializer import JSONSerializer

from ..errors import SearchUnavailableError

TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
"""HTTP statuses after which the same request can succeed later."""

_CLIENTS = "invenio-stats-dashboard-clients"

_MOST_CLIENTS = 50
"""Number of clients at which a process makes new ones, should options change often."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0

_LONGEST_REASON = 500

_Answer = TypeVar("_Answer")
_Kind = TypeVar("_Kind")


class _Undecoded(JSONSerializer):
    """Encode requests as JSON and return responses as text."""

    def loads(self, s: str) -> str:
        return s


_UNDECODED = _Undecoded()


class _NamesRequests:
    """A transport whose errors name the request that failed; see :func:`request_of`."""

    def perform_request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        """Send a request; add its method and path to an error."""
        try:
            return super().perform_request(  # type: ignore[misc]
                method, url, *args, **options
            )
        except OpenSearchException as error:
            error.request = f"{method} {url}"  # type: ignore[attr-defined]
            raise


def request_of(error: Exception) -> str:
    """Return method and path of the request that failed; empty if unknown.

    Args:
        error: of a client of this module.
    """
    return getattr(error, "request", "")


class _CompleteAnswers(OpenSearch):
    """A client for which a partial answer to a search or a count is an error.

    OpenSearch answers 200 even if a shard is unavailable, for example while it
    relocates, and leaves out the documents in it. The number of failed shards in such
    an answer can be zero.
    """

    def search(self, **arguments: Any) -> Any:
        """Search.

        Raises:
            TransportError: with status 503 if a shard is unavailable, or with the
                status of its error if a shard fails or times out.
        """
        params = arguments.pop("params", None) or {}
        params = {"allow_partial_search_results": "false", **params}
        return super().search(params=params, **arguments)

    def count(self, **arguments: Any) -> Any:
        """Count documents.

        Raises:
            TransportError: with status 503 if a shard was not counted.
        """
        return _require_counted(super().count(**arguments))


def text_client(app: Flask, timeout: float = 60) -> OpenSearch:
    """Return a client for the application's cluster that does not decode responses.

    It does not retry. :func:`patiently` retries and reports each pause. All callers in
    a process share the client, and so its connections.

    Args:
        app: the Flask application.
        timeout: seconds for one request.
    """
    return _shared(
        app,
        OpenSearch,
        {
            **connection_options(app),
            "serializers": {"application/json": _UNDECODED},
            "timeout": timeout,
            "max_retries": 0,
            "retry_on_timeout": False,
        },
    )


def json_client(app: Flask, timeout: float = 30, max_retries: int = 3) -> OpenSearch:
    """Return a client for the application's cluster that decodes responses.

    A partial answer to a search or a count is an error; so is one to
    :func:`.multi_get.get_many`. All callers in a process share the client, and so its
    connections.

    Args:
        app: the Flask application.
        timeout: seconds for one request.
        max_retries: how often to try another node if a node is unreachable, or answers
            502, 503 or 504.
    """
    return _shared(
        app,
        _CompleteAnswers,
        {
            **connection_options(app),
            "timeout": timeout,
            "max_retries": max_retries,
            "retry_on_timeout": False,
        },
    )


def _shared(app: Flask, kind: type[OpenSearch], options: dict[str, Any]) -> OpenSearch:
    """Return the client that this process has with these options, or make it.

    A process that was forked has no client yet: it must not use its parent's
    connections.
    """
    clients: dict[tuple[Any, ...], OpenSearch]
    clients = app.extensions.setdefault(_CLIENTS, {})
    process = os.getpid()
    known = list(clients)
    for old in known:
        if old[0] != process or len(known) > _MOST_CLIENTS:
            clients.pop(old, None)
    key = process, kind, _identity(options)
    client = clients.get(key)
    if client is None:
        transport = options.get("transport_class", Transport)
        naming = type("_NamingTransport", (_NamesRequests, transport), {})
        made = kind(**{**options, "transport_class": naming})
        client = clients.setdefault(key, made)
    return client


def _identity(value: Any) -> Any:
    """Return a key that is equal for equal plain values, and for the same object."""
    if isinstance(value, dict):
        return tuple(sorted((name, _identity(item)) for name, item in value.items()))
    if isinstance(value, list | tuple):
        return tuple(_identity(item) for item in value)
    if value is None or isinstance(value, str | int | float):
        return repr(value)
    return f"{type(value).__qualname__} {id(value)}"


def connection_options(app: Flask) -> dict[str, Any]:
    """Return the options of the site's own client, as invenio-search reads them."""
    options = dict(app.config.get("SEARCH_CLIENT_CONFIG") or {})
    hosts = app.config.get("SEARCH_HOSTS") or app.config.get("SEARCH_ELASTIC_HOSTS")
    options.setdefault("hosts", hosts)
    # Several threads share a client. By default, urllib3 retains one connection.
    options.setdefault("pool_maxsize", 16)
    # Sniffing needs the client's decoder, which the text client does not have.
    return {k: v for k, v in options.items() if not k.startswith("sniff")}


def is_transient(error: Exception) -> bool:
    """Return whether a request that failed with this error can succeed later."""
    if isinstance(error, (ConnectionError, ConnectionTimeout)):
        return True
    if isinstance(error, TransportError):
        return error.status_code in TRANSIENT_STATUSES
    return False


def pauses(limit: float) -> Iterator[float]:
    """Yield growing, jittered pauses in seconds until ``limit`` seconds have passed."""
    end = time.monotonic() + limit
    pause = _FIRST_PAUSE
    while time.monotonic() < end:
        yield min(pause, max(end - time.monotonic(), 0.01)) * random.uniform(0.7, 1.0)
        pause = min(pause * 2, _LONGEST_PAUSE)


def patiently(
    request: Callable[[], _Answer],
    limit: float,
    waiting: Callable[[str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> _Answer:
    """Send a request, and repeat it while the cause of its failure is temporary.

    The request must be safe to send twice.

    Args:
        request: sends the request and returns its response.
        limit: seconds after which to stop trying.
        waiting: called with a sentence before each pause.
        sleep: waits for the given seconds; may raise to stop the retries.

    Returns:
        The result of ``request``.

    Raises:
        SearchUnavailableError: no attempt succeeded within ``limit``.
        OpenSearchException: the request failed permanently.
    """
    last: OpenSearchException | None = None
    for pause in pauses(limit):
        try:
            return request()
        except OpenSearchException as error:
            if not is_transient(error):
                raise
            last = error
        if waiting:
            waiting(f"OpenSearch does not accept requests ({describe(last)})")
        sleep(pause)
    raise SearchUnavailableError(
        f"OpenSearch did not answer for {limit:.0f} seconds ({describe(last)}). "
        "Check that the cluster is running, then run the same command again."
    )


@overload
def decoded(answer: Any) -> Any: ...
@overload
def decoded(answer: Any, kind: type[_Kind]) -> _Kind: ...
def decoded(answer: Any, kind: Any = Any) -> Any:
    """Return a response as a type, whether or not the client has decoded it.

    Args:
        answer: what either OpenSearch client returns.
        kind: the type.
    """
    if isinstance(answer, str):
        return msgspec.json.decode(answer, type=kind)
    return msgspec.convert(answer, type=kind)


def count(client: OpenSearch, index: str, query: dict[str, Any] | None = None) -> int:
    """Return the number of documents; a missing index has none.

    Args:
        client: may or may not decode responses.
        index: index, alias, or several, comma-separated.
        query: a query that the documents must match; None for all documents.

    Raises:
        TransportError: with status 503 if a shard was not counted.
    """
    answer = client.transport.perform_request(
        "POST",
        f"/{index}/_count",
        params={"ignore_unavailable": "true"},
        body={"query": query or {"match_all": {}}},
    )
    return _require_counted(decoded(answer))["count"]


def _require_counted(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the response to a count, or raise an error if a shard is missing."""
    shards = answer["_shards"]
    if shards["successful"] < shards["total"]:
        reason = {"error": {"reason": "Not all shards could be counted."}}
        raise TransportError(503, "partial_count", reason)
    return answer


def describe(error: Exception | None) -> str:
    """Return one line that describes an error of OpenSearch or of the network."""
    if isinstance(error, TransportError) and error.status_code != "N/A":
        details = error.info.get("error") if isinstance(error.info, dict) else None
        reason = details.get("reason") if isinstance(details, dict) else None
        # an answer of a proxy has no type, or is no JSON
        kind = error.error if isinstance(error.error, str) else ""
        text = " ".join(
            f"{kind}{': ' if kind and reason else ''}{reason or ''}".split()
        )
        return f"{error.status_code} {text[:_LONGEST_REASON]}".strip()
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first[:200]}"
