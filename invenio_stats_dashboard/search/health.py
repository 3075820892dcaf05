# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The gate before each piece of work: is the cluster fit for more?

One OpenSearch is shared with the live site. Before a batch is written our
indices must not be red, the heap of the data nodes must be below a limit, and
their disks must be below the high watermark. A heap that is full just before a
collection says little, so the gate looks again for a while before it gives up,
and always says why it waits.
"""

import re
import time
from dataclasses import dataclass

from opensearchpy.exceptions import OpenSearchException

from ..errors import ClusterNotHealthyError
from .client import describe, is_transient

_UNITS = {"b": 0, "kb": 10, "mb": 20, "gb": 30, "tb": 40, "pb": 50}
_SIZE = re.compile(r"^([\d.]+)\s*(b|kb|mb|gb|tb|pb)$")
_POLL = 2.0


@dataclass(frozen=True)
class HealthLimits:
    """What the gate lets pass.

    Attributes:
        memory_percent: heap of the busiest data node, 1 to 100.
        patience: seconds to wait for a better state.
        interval: seconds for which an answer is good.
    """

    memory_percent: int = 85
    patience: float = 120.0
    interval: float = 1.0


class HealthGate:
    """Asks the cluster before each piece of work.

    Args:
        client: an ordinary client.
        limits: the :class:`HealthLimits`.
        waiting: called with a sentence while the gate is closed.
        sleep: waits for the given seconds; may raise to end the waiting.
    """

    def __init__(self, client, limits, waiting=None, sleep=time.sleep):
        """Keep what is needed; asks nothing yet."""
        self._client, self._limits = client, limits
        self._waiting, self._sleep = waiting, sleep
        self._passed = None

    def wait(self, indices):
        """Return when the cluster is fit.

        Args:
            indices: names of the indices that must not be red.

        Raises:
            ClusterNotHealthyError: it was not, for all of the patience; the text
                says what was wrong and that the work can be resumed.
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
                    "Everything done so far is kept; run the same command again "
                    "when the cluster is better."
                )
            if self._waiting:
                self._waiting(problem)
            self._sleep(min(_POLL, max(end - time.monotonic(), 0.01)))

    def problem(self, indices):
        """Return what is wrong right now as a clause, or None."""
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

    def _red(self, indices):
        health = self._client.cluster.health(
            index=",".join(indices), params={"level": "indices"}
        )
        red = sorted(
            name
            for name, details in health.get("indices", {}).items()
            if details["status"] == "red"
        )
        return f"The index {red[0]} is red" if red else None

    def _memory(self):
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


def data_nodes(client):
    """Return heap, breakers and disks of the nodes that hold data."""
    answer = client.nodes.stats(
        metric="jvm,breaker,fs",
        params={
            "filter_path": "nodes.*.name,nodes.*.roles,nodes.*.fs.total,"
            "nodes.*.jvm.mem.heap_used_percent,nodes.*.breakers.parent"
        },
    )
    return [n for n in answer["nodes"].values() if "data" in n.get("roles", ["data"])]


def disk_problem(client, nodes, extra=0):
    """Return which disk is, or would be, above the high watermark, or None.

    Args:
        client: an ordinary client.
        nodes: what :func:`data_nodes` returns.
        extra: bytes about to be written to each node.
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


def high_watermark(client):
    """Return a function (disk size -> bytes that must stay free), or None if off."""
    prefix = "cluster.routing.allocation.disk."
    settings = cluster_settings(client, f"{prefix}*")
    if settings.get(prefix + "threshold_enabled") == "false":
        return None
    return _free_space(settings.get(prefix + "watermark.high", "90%"))


def cluster_settings(client, pattern):
    """Return settings of the cluster as they are in force, by their flat names.

    Args:
        client: an ordinary client.
        pattern: of the names, with ``*``.

    Returns:
        dict: name -> value, as text.
    """
    found = client.cluster.get_settings(
        params={
            "include_defaults": "true",
            "flat_settings": "true",
            # a flat name is one key: its dots must not be taken for a path
            "filter_path": "*." + pattern.replace(".", "*"),
        }
    )
    merged = {}
    for scope in ("defaults", "persistent", "transient"):
        merged.update(found.get(scope, {}))
    return merged


def _free_space(watermark):
    """Turn a watermark (``90%``, ``0.9`` or ``50gb``) into a function of the size."""
    if match := _SIZE.match(watermark.strip().lower()):
        free = float(match.group(1)) * 2 ** _UNITS[match.group(2)]
        return lambda size: free
    if watermark.strip().endswith("%"):
        used = float(watermark.strip()[:-1]) / 100
    else:
        used = float(watermark)
    return lambda size: size * (1 - used)
