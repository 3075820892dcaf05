# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The index that a month is copied to: created, filled unseen, made fit to serve."""

import time

from opensearchpy.exceptions import (
    AuthorizationException,
    NotFoundError,
    RequestError,
)

from ..errors import ClusterNotHealthyError, StatsDashboardError
from ..search.client import describe
from ..search.mappings import enriched
from . import alias_actions

_OF_THE_INDEX = (
    "uuid",
    "version",
    "provided_name",
    "creation_date",
    "history",
    "resize",
    "blocks",
    "replication",
    "verified_before_close",
    "store",
)
"""Settings of a source that belong to that one index and are not copied."""

_WHILE_FILLING = {
    "number_of_replicas": "0",
    "auto_expand_replicas": "false",
    "refresh_interval": "-1",
    "translog": {"durability": "async", "sync_interval": "1s"},
}
"""Nobody reads it, and its source is still there: speed comes before safety."""


def create(client, source, name, fence, subcounts_mapping=enriched):
    """Create the target of a month.

    Args:
        client: an ordinary client.
        source: the :class:`~..usage_events.indices.EventsIndex` to be copied.
        name: of the target.
        fence: the only alias that it gets: writes go through it, so that a run
            which has lost the month cannot write any more.
        subcounts_mapping: makes the target's mapping of the source's.

    Returns:
        str: uuid of the new index.

    Raises:
        StatsDashboardError: the cluster's templates put it into an alias that is
            read, or it has no room for the index.
        ClusterNotHealthyError: the cluster makes no indices for now, as when all its
            disks are full.
    """
    settings = {k: v for k, v in source.settings.items() if k not in _OF_THE_INDEX}
    if "routing" in settings:
        # which nodes it may live on, but not where it was restored or shrunk
        allocation = dict(settings.pop("routing").get("allocation", {}))
        allocation.pop("initial_recovery", None)
        settings["routing"] = {"allocation": allocation}
    settings.update(_WHILE_FILLING)
    try:
        client.indices.create(
            index=name,
            body={
                "settings": {"index": settings},
                "mappings": subcounts_mapping(source.mappings),
                "aliases": {fence: {}},
            },
            params={"wait_for_active_shards": "1"},
        )
    except RequestError as error:
        raise StatsDashboardError(
            f"The index {name} could not be created: {error.info['error']['reason']}"
        ) from error
    except AuthorizationException as error:
        if error.error != "cluster_block_exception":
            raise
        raise ClusterNotHealthyError(
            f"The cluster makes no new indices for now ({describe(error)}). Make room "
            "on its disks, and run the same command again."
        ) from error
    made = client.indices.get(index=name)[name]
    if set(made.get("aliases", {})) != {fence}:
        client.indices.delete(index=name)  # empty, and made a moment ago
        raise StatsDashboardError(
            f"A template of the cluster puts {name} into the aliases "
            f"{sorted(set(made['aliases']) - {fence})}, where it would be read while "
            "it fills. Raise STATS_DASHBOARD_TEMPLATE_PRIORITY above that template's "
            "priority and run the migration again."
        )
    return made["settings"]["index"]["uuid"]


def drop(client, name, guard):
    """Delete a target that is not in service.

    Args:
        client: an ordinary client.
        name: of the target.
        guard: ``(index, alias)`` of this run on another index of the month; the
            target stays when it is gone.

    Raises:
        StatsDashboardError: it is in an alias other than fences, and stays.
        LockLostError: another run has the month.
    """
    try:
        found = client.indices.get_alias(index=name)[name]["aliases"]
    except NotFoundError:
        return
    served = [alias for alias in found if not alias_actions.is_mark(name, alias)]
    if served:
        raise StatsDashboardError(
            f"{name} is in the alias {served[0]}; an index that is read is not deleted."
        )
    alias_actions.remove_index(client, guard, name)


def make_fit(client, name, source, timeout, sleep=time.sleep):
    """Give a filled target the replicas and settings of its source, and wait.

    Args:
        client: an ordinary client.
        name: of the target.
        source: the :class:`~..usage_events.indices.EventsIndex` whose place it takes.
        timeout: seconds for all copies to be in sync.
        sleep: waits for the given seconds; may raise to end the waiting.

    Raises:
        ClusterNotHealthyError: the copies did not come up in that time.
    """
    settings = source.settings
    translog = settings.get("translog", {})
    client.indices.put_settings(
        index=name,
        body={
            "index": {
                "number_of_replicas": settings["number_of_replicas"],
                "auto_expand_replicas": settings.get("auto_expand_replicas", "false"),
                "refresh_interval": settings.get("refresh_interval"),
                "translog": {
                    "durability": translog.get("durability"),
                    "sync_interval": translog.get("sync_interval"),
                },
            }
        },
    )
    client.indices.flush(index=name, params={"request_timeout": 120})
    end = time.monotonic() + timeout
    wanted = _reachable_status(client, source.name)
    while True:
        health = client.cluster.health(index=name)
        if (
            health["status"] in wanted
            and not health["initializing_shards"]
            and not health["relocating_shards"]
        ):
            return
        if time.monotonic() >= end:
            raise ClusterNotHealthyError(
                f"The copies of {name} were not in sync after {timeout:.0f} seconds "
                f"(status {health['status']}, {health['unassigned_shards']} shards "
                "unassigned). The copy is kept; run the same command again when the "
                "cluster has room for them."
            )
        sleep(0.5)


def _reachable_status(client, source):
    """Return the states that are good enough: as good as the source's, or green.

    A cluster of one node keeps every index with replicas yellow.
    """
    status = client.cluster.health(index=source)["status"]
    return {"green"} if status == "green" else {"green", "yellow"}
