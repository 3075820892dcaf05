# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Turn an answer of OpenSearch that is no success into a sentence.

A refusal, a block, a missing index and a cluster that does not answer are different
problems. The sentence names the request, the cause, and what removes it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from opensearchpy.exceptions import TransportError

from ..errors import (
    BlockedError,
    NotPermittedError,
    SearchUnavailableError,
    StatsDashboardError,
)
from .client import describe, is_transient, request_of

_BLOCK_TYPES = ("cluster_block_exception", "index_create_block_exception")
_INDEX_BLOCK = re.compile(r"index \[([^\]]+)\] blocked by: \[\w+/(\d+)/")
_CLUSTER_BLOCK = re.compile(r"blocked by: \[\w+/(\d+)/")
_ACTIONS = re.compile(r"\b((?:indices|cluster):[\w/*.-]+(?:\[\w\])?)")
_NO_AUTO_CREATE = "action.auto_create_index"


class Failure(StrEnum):
    """What an unsuccessful answer means."""

    UNREACHABLE = "unreachable"
    BLOCKED = "blocked"
    REFUSED = "refused"
    MISSING = "missing"
    INVALID = "invalid"
    FAILED = "failed"


@dataclass(frozen=True)
class Block:
    """A block that prevents a request.

    Attributes:
        setting: the setting that sets it.
        index: name of the blocked index; None for a block of the whole cluster.
        is_automatic: whether OpenSearch sets and removes it, depending on disk space.
    """

    setting: str
    index: str | None
    is_automatic: bool

    @property
    def sentences(self) -> str:
        """Return which block it is, and how to remove it."""
        if self.index is None:
            head = f"The cluster has the block {self.setting}"
            body = f'{{"persistent": {{"{self.setting}": null}}}}'
            how = f"PUT /_cluster/settings {body}"
        else:
            head = f"The index {self.index} has the block {self.setting}"
            how = f'PUT /{self.index}/_settings {{"{self.setting}": null}}'
        if self.is_automatic:
            return (
                f"{head}. If disk space is low, free it; OpenSearch then removes the "
                f"block. Otherwise remove it with {how}."
            )
        return f"{head}. Remove it with {how}."


INDEX_BLOCKS = {
    "read_only": 5,
    "read": 7,
    "write": 8,
    "metadata": 9,
    "read_only_allow_delete": 12,
}
"""Setting of a block below ``index.blocks`` -> OpenSearch's number of the block."""

_CLUSTER_BLOCKS = {"read_only": 6, "create_index": 10, "read_only_allow_delete": 13}
_AUTOMATIC = ("read_only_allow_delete", "create_index")

_PERMISSIONS = (
    # (method or "", pattern of the path, permission that OpenSearch checks)
    ("PUT", r"^/_index_template/", "indices:admin/index_template/put"),
    ("GET", r"^/_index_template", "indices:admin/index_template/get"),
    ("GET", r"^/_template", "indices:admin/template/get"),
    ("POST", r"^/_index_template/_simulate", "indices:admin/index_template/simulate"),
    ("POST", r"^/_aliases", "indices:admin/aliases"),
    ("GET", r"/_alias\b", "indices:admin/aliases/get"),
    ("", r"/_clone/", "indices:admin/resize"),
    ("PUT", r"/_block/", "indices:admin/block/add"),
    ("PUT", r"/_settings", "indices:admin/settings/update"),
    ("GET", r"/_settings", "indices:monitor/settings/get"),
    ("PUT", r"/_mapping", "indices:admin/mapping/put"),
    ("GET", r"/_mapping", "indices:admin/mappings/get"),
    ("", r"/_bulk", "indices:data/write/bulk"),
    ("", r"/_update/", "indices:data/write/update"),
    ("", r"/_search", "indices:data/read/search"),
    ("", r"/_count", "indices:data/read/search"),
    ("", r"/_mget", "indices:data/read/mget"),
    ("", r"/_flush", "indices:admin/flush"),
    ("", r"/_refresh", "indices:admin/refresh"),
    ("GET", r"/_stats", "indices:monitor/stats"),
    ("GET", r"^/_cluster/health", "cluster:monitor/health"),
    ("GET", r"^/_cluster/settings", "cluster:monitor/settings"),
    ("GET", r"^/_cluster/state", "cluster:monitor/state"),
    ("GET", r"^/_nodes", "cluster:monitor/nodes/stats"),
    ("GET", r"^/_tasks", "cluster:monitor/tasks/lists"),
    ("GET", r"^/_snapshot", "cluster:admin/snapshot/get"),
    ("GET", r"/_doc/", "indices:data/read/get"),
    ("DELETE", r"/_doc/", "indices:data/write/delete"),
    ("", r"/_(doc|create)/", "indices:data/write/index"),
    ("PUT", r"^/[^/_][^/]*$", "indices:admin/create"),
    ("DELETE", r"^/[^/_][^/]*$", "indices:admin/delete"),
    ("GET", r"^/[^/_][^/]*$", "indices:admin/get"),
)

_GROUPS = {
    "indices:admin/index_template/": "cluster_manage_index_templates",
    "indices:admin/template/": "cluster_manage_index_templates",
    "cluster:monitor/": "cluster_monitor",
    "cluster:admin/snapshot/": "manage_snapshots",
}
"""Beginning of a permission -> the action group of OpenSearch that contains it."""


def failure_of(error: Exception) -> Failure:
    """Return what an error of the client means."""
    if isinstance(error, TransportError) and error.error in _BLOCK_TYPES:
        return Failure.BLOCKED
    if is_transient(error):
        return Failure.UNREACHABLE
    if not isinstance(error, TransportError):
        return Failure.FAILED
    if error.status_code in (401, 403):
        return Failure.REFUSED
    if error.status_code == 404:
        return Failure.MISSING
    if isinstance(error.status_code, int) and error.status_code < 500:
        return Failure.INVALID
    return Failure.FAILED


def is_refused(error: Exception) -> bool:
    """Return whether OpenSearch refuses a request to this user, now and later.

    Refused credentials (status 401) do not count: they are also refused for a moment
    while the directory of users is unavailable.
    """
    refused = failure_of(error) is Failure.REFUSED
    return refused and getattr(error, "status_code", None) != 401


def explain(error: Exception) -> str:
    """Return one to three sentences: what failed, why, and what to do about it."""
    return _EXPLANATIONS[failure_of(error)](error)


def as_error(error: Exception, then: str = "") -> StatsDashboardError:
    """Return the error of this package for an error of the client.

    Args:
        error: of the client.
        then: a sentence about what to do after the cause was removed.
    """
    kind = {
        Failure.UNREACHABLE: SearchUnavailableError,
        Failure.FAILED: SearchUnavailableError,
        Failure.BLOCKED: BlockedError,
        Failure.REFUSED: NotPermittedError,
    }.get(failure_of(error), StatsDashboardError)
    then = then or "Then run the same command again."
    return kind(f"{explain(error)} {then}")


def block_of(error: Exception) -> Block | None:
    """Return the block that an error names, or None."""
    text = str(getattr(error, "info", "") or error)
    if match := _INDEX_BLOCK.search(text):
        numbers = {number: name for name, number in INDEX_BLOCKS.items()}
        name = numbers.get(int(match.group(2)))
        return index_block(match.group(1), name) if name else None
    if match := _CLUSTER_BLOCK.search(text):
        numbers = {number: name for name, number in _CLUSTER_BLOCKS.items()}
        name = numbers.get(int(match.group(1)))
        return (
            Block(f"cluster.blocks.{name}", None, name in _AUTOMATIC) if name else None
        )
    return None


def index_block(index: str, name: str) -> Block:
    """Return a block of an index.

    Args:
        index: name of the index.
        name: of the block, a key of :data:`INDEX_BLOCKS`.
    """
    return Block(f"index.blocks.{name}", index, name in _AUTOMATIC)


def permissions_of(error: Exception) -> list[str]:
    """Return the permissions that a refused request needs; empty if unknown."""
    found = _ACTIONS.findall(str(getattr(error, "info", "") or error))
    if found:
        return list(dict.fromkeys(found))
    method, _, path = request_of(error).partition(" ")
    for verb, pattern, permission in _PERMISSIONS:
        if (not verb or verb == method) and re.search(pattern, path):
            return [permission]
    return []


def _unreachable(error: Exception) -> str:
    return (
        f"OpenSearch does not answer ({describe(error)}). Check that it is running and "
        "that SEARCH_HOSTS is correct."
    )


def _blocked(error: Exception) -> str:
    found = block_of(error)
    what = found.sentences if found else f"{describe(error)}."
    return f"A block prevents {_request(error)}. {what}"


def _refused(error: Exception) -> str:
    wanted = permissions_of(error)
    user = "the application's OpenSearch user"
    if getattr(error, "status_code", None) == 401:
        return (
            f"OpenSearch does not accept the credentials for {_request(error)} "
            f"({describe(error)}). Check them in SEARCH_HOSTS and SEARCH_CLIENT_CONFIG."
        )
    if not wanted:
        how = f"Grant {user} the permission for it."
    else:
        names = ", ".join(f"'{name}'" for name in wanted)
        how = f"Grant {user} the permission {names}"
        groups = {g for p in wanted for b, g in _GROUPS.items() if p.startswith(b)}
        how += f" (action group '{min(groups)}')." if groups else "."
    return f"OpenSearch refuses {_request(error)} ({describe(error)}). {how}"


def _missing(error: Exception) -> str:
    if _NO_AUTO_CREATE in str(getattr(error, "info", "")):
        return (
            f"OpenSearch refuses {_request(error)}, because an index does not exist, "
            f"and writes create none in this cluster ({_NO_AUTO_CREATE}): "
            f"{describe(error)}."
        )
    return (
        f"OpenSearch finds nothing for {_request(error)} ({describe(error)}). An index "
        "may have been deleted meanwhile."
    )


def _invalid(error: Exception) -> str:
    return f"OpenSearch rejects {_request(error)} ({describe(error)})."


def _failed(error: Exception) -> str:
    return f"OpenSearch cannot complete {_request(error)} ({describe(error)})."


def _request(error: Exception) -> str:
    return request_of(error) or "a request"


_EXPLANATIONS = {
    Failure.UNREACHABLE: _unreachable,
    Failure.BLOCKED: _blocked,
    Failure.REFUSED: _refused,
    Failure.MISSING: _missing,
    Failure.INVALID: _invalid,
    Failure.FAILED: _failed,
}
