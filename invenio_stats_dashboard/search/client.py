# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A client whose answers stay text, and what to do when a request fails.

The migration reads and writes millions of documents; it must see their exact
bytes and decode no more than it needs, so its client leaves JSON undecoded.
"""

import random
import time

from opensearchpy import OpenSearch
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

_NO_INDEX = "index_not_found_exception"

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class _Undecoded(JSONSerializer):
    """Sends as JSON, hands the answer back as the text it is."""

    def loads(self, s):
        return s


def text_client(app, timeout=60):
    """Return a client for the application's cluster that does not decode answers.

    It makes no retries of its own: :func:`patiently` makes them, and says so.

    Args:
        app: the Flask application.
        timeout: seconds for one request.
    """
    return OpenSearch(
        **{
            **connection_options(app),
            "serializers": {"application/json": _Undecoded()},
            "timeout": timeout,
            "max_retries": 0,
            "retry_on_timeout": False,
        }
    )


def json_client(app, timeout=30, max_retries=3):
    """Return an ordinary client for the application's cluster.

    Args:
        app: the Flask application.
        timeout: seconds for one request.
        max_retries: how often to try another node when one cannot be reached.
    """
    return OpenSearch(
        **{
            **connection_options(app),
            "timeout": timeout,
            "max_retries": max_retries,
            "retry_on_timeout": False,
        }
    )


def connection_options(app):
    """Return the options of the site's own client, as invenio-search reads them."""
    options = dict(app.config.get("SEARCH_CLIENT_CONFIG") or {})
    hosts = app.config.get("SEARCH_HOSTS") or app.config.get("SEARCH_ELASTIC_HOSTS")
    options.setdefault("hosts", hosts)
    # several threads share a client; urllib3 keeps one connection open by default
    options.setdefault("pool_maxsize", 8)
    # sniffing decodes answers by the client's own decoder, which ours leaves out
    return {k: v for k, v in options.items() if not k.startswith("sniff")}


def is_transient(error):
    """Tell whether a request that failed so may succeed when it is sent again."""
    if isinstance(error, (ConnectionError, ConnectionTimeout)):
        return True
    if isinstance(error, TransportError):
        return error.status_code in TRANSIENT_STATUSES
    return False


def pauses(limit):
    """Yield growing, jittered pauses in seconds until ``limit`` seconds have passed."""
    end = time.monotonic() + limit
    pause = _FIRST_PAUSE
    while time.monotonic() < end:
        yield min(pause, max(end - time.monotonic(), 0.01)) * random.uniform(0.7, 1.0)
        pause = min(pause * 2, _LONGEST_PAUSE)


def patiently(request, limit, waiting=None, sleep=time.sleep):
    """Send a request again while it fails for a passing reason.

    Only for requests that may be sent twice.

    Args:
        request: called without arguments.
        limit: seconds after which to give up.
        waiting: called with a sentence before each pause.
        sleep: waits for the given seconds; may raise to end the waiting.

    Returns:
        What ``request`` returns.

    Raises:
        SearchUnavailableError: the time is over.
        OpenSearchException: the request failed for good.
    """
    last = None
    for pause in pauses(limit):
        try:
            return request()
        except OpenSearchException as error:
            if not is_transient(error):
                raise
            last = error
        if waiting:
            waiting(f"OpenSearch does not take requests ({describe(last)})")
        sleep(pause)
    raise SearchUnavailableError(
        f"OpenSearch did not answer for {limit:.0f} seconds ({describe(last)}). "
        "See that the cluster is up and run the same command again."
    )


def require_read(docs):
    """Fail as a whole where a document of an ``_mget`` could not be read.

    Its shard is on its way, say; OpenSearch answers 200 all the same. To be called in
    what :func:`patiently` sends, so that it is sent again. An index that is not there has
    no documents.

    Args:
        docs: of the answer; each has an ``error`` with type and reason, or None.

    Returns:
        The documents.

    Raises:
        TransportError: one that passes.
    """
    for doc in docs:
        if doc.error and doc.error.type != _NO_INDEX:
            reason = {"error": {"reason": doc.error.reason}}
            raise TransportError(503, doc.error.type, reason)
    return docs


def describe(error):
    """Return one line that says what OpenSearch or the network complained about."""
    if isinstance(error, TransportError) and error.status_code != "N/A":
        reason = ""
        if isinstance(error.info, dict):
            details = error.info.get("error")
            if isinstance(details, dict):
                reason = details.get("reason") or ""
        return f"{error.status_code} {error.error}{': ' + reason if reason else ''}"
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first[:200]}"
