# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find requests of a migration that OpenSearch will refuse, before anything is copied.

OpenSearch has no request that returns a user's permissions without special rights. It
checks permissions before it looks at the index, so each request here names an index
that does not exist, and can change nothing: OpenSearch answers 404 or 400, or 403 if
the request is not permitted.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..search.client import is_transient
from ..search.failures import explain, is_refused
from ..search.names import Names
from ..usage_events.indices import Month

_PROBE = "permission-check"


def refused_requests(
    client: OpenSearch, names: Names, months: Iterable[Month]
) -> list[str]:
    """Return a sentence about each kind of request that is refused.

    Args:
        client: decodes responses.
        names: the instance's index names.
        months: that the migration would work on; nothing is sent without any.

    Raises:
        OpenSearchException: the cluster does not answer.
    """
    found: dict[str, None] = {}
    for event_type in sorted({month.event_type for month in months}):
        for method, path, body, params in _probes(names, event_type):
            try:
                client.transport.perform_request(method, path, params=params, body=body)
            except OpenSearchException as error:
                if is_refused(error):
                    found[explain(error)] = None
                elif is_transient(error):
                    raise
    return list(found)


def _probes(
    names: Names, event_type: str
) -> Iterator[tuple[str, str, Any, dict[str, Any]]]:
    """Yield method, path, body and parameters of each request."""
    index = names.events_month(event_type, _PROBE)
    backup = names.events_backup(event_type, _PROBE)
    # OpenSearch refuses zero shards, but only after it has checked the permission.
    yield "PUT", f"/{index}", {"settings": {"index": {"number_of_shards": 0}}}, {}
    remove = {"remove": {"index": index, "alias": f"{index}-none"}}
    yield "POST", "/_aliases", {"actions": [remove]}, {}
    yield "PUT", f"/{index}/_block/write", None, {}
    yield "PUT", f"/{index}/_settings", {"index.blocks.write": None}, {}
    yield "PUT", f"/{index}/_clone/{backup}", None, {}
    # With "require_alias", a write never creates an index.
    lines = json.dumps({"index": {"_id": _PROBE}}) + "\n{}\n"
    yield "POST", f"/{index}/_bulk", lines, {"require_alias": "true"}
    yield "DELETE", f"/{index}", None, {}
