# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find requests of a migration that OpenSearch will refuse, before anything is copied.

OpenSearch has no request that returns a user's permissions without special rights. It
checks permissions before it looks at the index, so each request here names an index
that does not exist, and can change nothing: OpenSearch answers 404 or 400, or 403 if
the request is not permitted.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..errors import NotPermittedError, StatsDashboardError
from ..search import bulk
from ..search.client import is_transient
from ..search.failures import explain, is_refused
from ..search.names import Names
from ..usage_events.indices import Month

_NO_MONTH = "1900-01"
"""A month without events, whose names match patterns of permissions like others."""


def refused_requests(
    client: OpenSearch, names: Names, months: Iterable[Month]
) -> list[str]:
    """Return a sentence about each kind of request that is refused.

    Args:
        client: decodes responses.
        names: the instance's index names.
        months: that the migration would work on; nothing is sent without any.
    """
    found: dict[str, None] = {}
    for event_type in sorted({month.event_type for month in months}):
        probes = [
            partial(client.transport.perform_request, method, path, params, body)
            for method, path, body, params in _probes(names, event_type)
        ]
        for probe in (*probes, partial(_write, client, names, event_type)):
            if sentence := _refusal(probe):
                found[sentence] = None
    return list(found)


def _refusal(probe: Callable[[], Any]) -> str | None:
    """Return why a request is refused, or cannot be checked; None otherwise."""
    try:
        probe()
    except OpenSearchException as error:
        if is_refused(error):
            return explain(error)
        if is_transient(error):
            return f"It is unknown whether all requests are permitted. {explain(error)}"
    except NotPermittedError as error:
        return str(error)
    except StatsDashboardError as error:
        return f"It is unknown whether all requests are permitted. {error}"
    return None


def _write(client: OpenSearch, names: Names, event_type: str) -> None:
    """Write to an index that does not exist.

    Raises:
        NotPermittedError: OpenSearch refuses it for another reason.
    """
    index = names.events_month(event_type, _NO_MONTH)
    # With "require_alias", a write never creates an index.
    line = b'{"index": {"_id": "none"}}\n{}\n'
    refusals = bulk.write(client, index, [line], 0, {"require_alias": "true"})
    bulk.require_permitted(r for r in refusals if not r.misses_index)


def _probes(
    names: Names, event_type: str
) -> Iterator[tuple[str, str, Any, dict[str, Any]]]:
    """Yield method, path, body and parameters of each request."""
    index = names.events_month(event_type, _NO_MONTH)
    backup = names.events_backup(event_type, _NO_MONTH)
    # OpenSearch refuses zero shards, but only after it has checked the permission.
    yield "PUT", f"/{index}", {"settings": {"index": {"number_of_shards": 0}}}, {}
    remove = {"remove": {"index": index, "alias": f"{index}-none"}}
    yield "POST", "/_aliases", {"actions": [remove]}, {}
    yield "PUT", f"/{index}/_block/write", None, {}
    yield "PUT", f"/{index}/_settings", {"index.blocks.write": None}, {}
    yield "PUT", f"/{index}/_clone/{backup}", None, {}
    delete = {"actions": [{"remove_index": {"index": index}}]}
    yield "POST", "/_aliases", delete, {}
