# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Move an index of another extension to another name: block, clone, compare, delete.

The clone shares its files with the index, so no data is copied. A run first claims the
index as a cut-over does; see :mod:`.alias_actions`. The index is deleted by the same
call that removes the run's claim alias from the clone, so it is deleted only while its
complete clone exists. A leftover clone is removed only while the index exists. A killed
run therefore leaves the index, or the clone, or both, and the next run continues.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ..errors import ClusterNotHealthyError, LockLostError, StatsDashboardError
from ..search.foreign_indices import NamedIndex
from ..search.seqno import positions
from . import alias_actions
from .alias_actions import Guard, mark_of
from .cutover import flushed_positions

_SECONDS = 60.0
"""Time limit of each step."""

PREFIX = "earlier-"
"""What a new name begins with, after the instance's prefix."""


def new_name(index: str, prefix: str, number: int = 1) -> str:
    """Return the name to which an index is moved.

    It matches no pattern of this package.

    Args:
        index: name of the index.
        prefix: the instance's prefix.
        number: 1 for the first choice, and higher if that name is taken.
    """
    suffix = f"-{number}" if number > 1 else ""
    return f"{prefix}{PREFIX}{index.removeprefix(prefix)}{suffix}"


def set_aside(
    client: OpenSearch,
    prefix: str,
    index: NamedIndex,
    run: str,
    step: Callable[[str], None],
) -> str:
    """Move an index to another name.

    If that fails, the index accepts writes again, and its clone is removed.

    Args:
        client: decodes responses.
        prefix: the instance's prefix.
        index: the index.
        run: unique id of this run.
        step: called with the name of each step before it starts.

    Returns:
        The new name.

    Raises:
        LockLostError: another run moves the index.
        StatsDashboardError: it cannot be moved.
        OpenSearchException: OpenSearch refuses a request, or does not answer.
    """
    step("claim")
    alias_actions.claim(client, run, index.name)
    guard = (index.name, mark_of(index.name, run))
    was_blocked = alias_actions.is_blocked(client, index.name)
    target = _free_name(client, prefix, index, guard)
    try:
        step("block")
        alias_actions.block_writes(client, guard[1], _SECONDS)
        _move(client, index, target, run, step)
    except LockLostError:
        raise
    except BaseException:
        step("undo")
        with suppress(OpenSearchException, StatsDashboardError):
            _undo(client, index, target, guard, was_blocked)
        raise
    return target


def _free_name(client: OpenSearch, prefix: str, index: NamedIndex, guard: Guard) -> str:
    """Return the first name that is free; remove a clone that a killed run has left.

    Raises:
        LockLostError: the index was replaced or deleted, or another run moves it.
    """
    found = client.indices.get(index=index.name).get(index.name)
    settings = found["settings"]["index"] if found else {}
    if found is None or settings["uuid"] != index.uuid:
        raise LockLostError(
            f"The index {index.name} was replaced in the meantime. Run the same "
            "command again."
        )
    if settings.get("verified_before_close") == "true":
        raise StatsDashboardError(
            f"The index {index.name} is closed. Open it with POST /{index.name}/_open, "
            "then run the same command again."
        )
    for number in count(1):
        name = new_name(index.name, prefix, number)
        try:
            there = client.indices.get(index=name).get(name)
        except NotFoundError:
            return name
        if there is not None and _is_clone(there, index, name):
            alias_actions.remove_index(client, guard, name)
            return name
    raise AssertionError("count() does not end")


def _is_clone(details: dict[str, Any], index: NamedIndex, name: str) -> bool:
    """Return whether the index of a name is a clone of an index that nothing uses."""
    source = details["settings"]["index"].get("resize", {}).get("source", {})
    used = [a for a in details["aliases"] if not alias_actions.is_mark(name, a)]
    return source.get("uuid") == index.uuid and not used


def _move(
    client: OpenSearch,
    index: NamedIndex,
    target: str,
    run: str,
    step: Callable[[str], None],
) -> None:
    """Clone a blocked index, compare both, and delete it."""
    before = flushed_positions(client, index.name, time.monotonic() + _SECONDS)
    step("clone")
    client.indices.clone(
        index=index.name,
        target=target,
        body={"settings": {"index.blocks.write": True}},
        params={"wait_for_active_shards": "1", "request_timeout": _SECONDS},
    )
    # OpenSearch waits for at most 30 seconds.
    health = client.cluster.health(
        index=target,
        params={"wait_for_status": "yellow", "ignore": 408},
    )
    if health["status"] == "red":
        raise ClusterNotHealthyError(
            f"The copy {target} of {index.name} did not start. Run the same command "
            "again when the cluster is healthy."
        )
    alias_actions.claim(client, run, target)
    step("compare")
    _require_equal(client, index.name, target, before)
    step("delete")
    try:
        alias_actions.remove_source(client, (target, mark_of(target, run)), index.name)
    except (LockLostError, OpenSearchException):
        # The response may be lost, and the client may have sent the request twice.
        if _exists(client, index):
            raise


def _require_equal(
    client: OpenSearch, index: str, target: str, before: dict[int, int]
) -> None:
    """Check that a clone holds all documents of an index whose writes are blocked.

    Raises:
        StatsDashboardError: it does not.
    """
    client.indices.refresh(index=target)
    numbers = [client.count(index=name)["count"] for name in (index, target)]
    after = {shard: p.last for shard, p in positions(client, target).items()}
    if numbers[0] != numbers[1] or before != after:
        raise StatsDashboardError(
            f"The copy {target} has {numbers[1]:,} documents, and {index} has "
            f"{numbers[0]:,}, so it was not deleted. Run the same command again."
        )


def _exists(client: OpenSearch, index: NamedIndex) -> bool:
    try:
        found = client.indices.get_settings(index=index.name).get(index.name)
    except NotFoundError:
        return False
    return found is not None and found["settings"]["index"]["uuid"] == index.uuid


def _undo(
    client: OpenSearch,
    index: NamedIndex,
    target: str,
    guard: Guard,
    was_blocked: bool,
) -> None:
    """Remove the clone, and let the index accept writes as before."""
    there = client.indices.get(index=target, ignore=[404]).get(target)
    if there is not None and _is_clone(there, index, target):
        alias_actions.remove_index(client, guard, target)
    if not was_blocked:
        alias_actions.lift_block(client, guard[1])
    alias_actions.remove_marks(client, index.name)
