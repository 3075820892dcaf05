# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Pause work while the cluster is not healthy enough for it.

The live site uses the same OpenSearch. Before a batch is written, its indices must
not be red, the heap of the data nodes must be below a limit, and their disks must be
below the high watermark. A heap is often full just before a garbage collection, so
the gate checks repeatedly before it gives up. It reports the reason of each pause.
"""

import re
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..errors import ClusterNotHealthyError
from .client import describe, is_transient

_UNITS = {"b": 0, "kb": 10, "mb": 20, "gb": 30, "tb": 40, "pb": 50}
_SIZE = re.compile(r"^([\d.]+)\s*(b|kb|mb|gb|tb|pb)$")
_POLL = 2.0


@dataclass(frozen=True)
class HealthLimits:
    """Limits of the :class:`HealthGate`.

    Attributes:
        memory_percent: heap usage of a data node at which the gate closes, 1 to 100.
        patience: seconds to wait for a healthy cluster.
        interval: seconds for which a healthy result remains valid.
    """

    memory_percent: int = 85
    patience: float = 120.0
    interval: float = 1.0


class HealthGate:
    """Checks the cluster before each batch.

    Args:
        client: decodes responses.
        limits: when the gate closes, and how long it waits.
        waiting: called with a sentence before each pause.
        sleep: waits for the given seconds; may raise to stop waiting.
    """

    def __init__(
        self,
        client: OpenSearch,
        limits: HealthLimits,
        waiting: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._limits = client, limits
        self._waiting, self._sleep = waiting, sleep
        self._passed: float | None = None

    def wait(self, indices: Collection[str]) -> None:
        """Return as soon as the cluster is healthy.

        Args:
            indices: names of the indices that must not be red.

        Raises:
            ClusterNotHealthyError: the cluster was not healthy within the patience. The
                text names the problem and states that the work can be resumed.
        """
        now = time.monotonic()
        if self._passed is not None and now - self._passed < self._limits.interval:
            return
        end = now + self._limits.patience
        while True:
            problem = self.problem(indices)
            if problem is None:
                self._passed = time.monotonic()
                return
            if time.monotonic() >= end:
                raise ClusterNotHealthyError(
                    f"{problem} for {self._limits.patience:.0f} seconds. "
                    "All completed work is stored. Run the same command again when the "
                    "cluster is healthy."
                )
            if self._waiting:
                self._waiting(problem)
            self._sleep(min(_POLL, max(end - time.monotonic(), 0.01)))

    def problem(self, indices: Collection[str]) -> str | None:
        """Return the current problem of the cluster as a clause, or None."""
        try:
            return (
                self._red(indices)
                or self._memory()
                or disk_problem(self._client, self._nodes)
            )
        except OpenSearchException as error:
            if not is_transient(error):
                raise
            return f"OpenSearch does not answer ({describe(error)})"

    def _red(self, indices: Collection[str]) -> str | None:
        health = self._client.cluster.health(
            index=",".join(indices), params={"level": "indices"}
        )
        red = sorted(
            name
            for name, details in health.get("indices", {}).items()
            if details["status"] == "red"
        )
        return f"The index {red[0]} is red" if red else None

    def _memory(self) -> str | None:
        self._nodes = data_nodes(self._client)
        limit = self._limits.memory_percent
        for node in self._nodes:
            heap = node["jvm"]["mem"]["heap_used_percent"]
            if heap >= limit:
                return f"The heap of node {node['name']} is at {heap} % (limit {limit})"
            parent = node["breakers"]["parent"]
            used = 100 * parent["estimated_size_in_bytes"]
            percent = used / max(parent["limit_size_in_bytes"], 1)
            if percent >= max(limit, 95):
                return (
                    f"The memory breaker of node {node['name']} is at {percent:.0f} %"
                )
        return None


def data_nodes(client: OpenSearch) -> list[dict[str, Any]]:
    """Return heap, breakers and disks of the data nodes, from the node statistics."""
    answer = client.nodes.stats(
        metric="jvm,breaker,fs",
        params={
            "filter_path": "nodes.*.name,nodes.*.roles,nodes.*.fs.total,"
            "nodes.*.jvm.mem.heap_used_percent,nodes.*.breakers.parent"
        },
    )
    return [n for n in answer["nodes"].values() if "data" in n.get("roles", ["data"])]


def disk_problem(
    client: OpenSearch, nodes: Iterable[dict[str, Any]], extra: int = 0
) -> str | None:
    """Return a clause that names a disk above the high watermark, or None.

    Args:
        client: decodes responses.
        nodes: the result of :func:`data_nodes`.
        extra: bytes that will be written to each node.
    """
    high = high_watermark(client)
    if high is None:
        return None
    for node in nodes:
        total = node["fs"]["total"]
        size, free = total["total_in_bytes"], total["available_in_bytes"]
        needed = high(size)
        if free - extra < needed:
            return (
                f"The disk of node {node['name']} has {free / 2**30:.1f} GiB free; "
                f"{(needed + extra) / 2**30:.1f} GiB are needed to stay below the "
                "high watermark"
            )
    return None


def high_watermark(client: OpenSearch) -> Callable[[int], float] | None:
    """Return a function from a disk's size to the bytes that must stay free.

    Returns:
        The function, or None if the cluster does not use watermarks.
    """
    prefix = "cluster.routing.allocation.disk."
    settings = cluster_settings(client, f"{prefix}*")
    if settings.get(prefix + "threshold_enabled") == "false":
        return None
    return _free_space(settings.get(prefix + "watermark.high", "90%"))


def cluster_settings(client: OpenSearch, pattern: str) -> dict[str, str]:
    """Return the effective settings of the cluster, by their flat names.

    Args:
        client: decodes responses.
        pattern: pattern of the names, with ``*``.
    """
    found = client.cluster.get_settings(
        params={
            "include_defaults": "true",
            "flat_settings": "true",
            # A flat name is one key; its dots must not be read as a path.
            "filter_path": "*." + pattern.replace(".", "*"),
        }
    )
    merged: dict[str, str] = {}
    for scope in ("defaults", "persistent", "transient"):
        merged.update(found.get(scope, {}))
    return merged


def _free_space(watermark: str) -> Callable[[int], float]:
    """Turn a watermark (``90%``, ``0.9`` or ``50gb``) into a function of the size."""
    if match := _SIZE.match(watermark.strip().lower()):
        free: float = float(match.group(1)) * 2 ** _UNITS[match.group(2)]
        return lambda size: free
    if watermark.strip().endswith("%"):
        used = float(watermark.strip()[:-1]) / 100
    else:
        used = float(watermark)
    return lambda size: size * (1 - used)
