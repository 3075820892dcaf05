# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create the target index of a month, prepare it for service, and delete it.

No reader sees the target while it is filled.
"""

import time
from collections.abc import Callable
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, RequestError, TransportError

from ..errors import ClusterNotHealthyError, StatsDashboardError
from ..search.client import describe, is_transient
from ..search.failures import Failure, failure_of
from ..search.mappings import enriched
from ..usage_events.indices import EventsIndex, Month, target_name
from . import alias_actions
from .alias_actions import Guard
from .run_context import MigrationRun
from .running_searches import RunningSearches

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

NO_PIPELINE = "_none"
"""The value of a setting for a pipeline that prevents the one of a template."""

_NO_PIPELINES = {"default_pipeline": NO_PIPELINE, "final_pipeline": NO_PIPELINE}
"""Settings of a target until it is filled.

The events have passed the pipelines of the source before they were stored there.
"""

_ADDED_FIELDS = 100
"""Fields that enrichment can add to a mapping, generously counted."""

_WHILE_FILLING: dict[str, Any] = {
    "number_of_replicas": "0",
    "auto_expand_replicas": "false",
    "refresh_interval": "-1",
    "translog": {"durability": "async", "sync_interval": "1s"},
}
"""Settings of a target while it is filled.

They favour speed over safety: no reader uses the target, and its source still exists.
"""


def create(
    client: OpenSearch,
    source: EventsIndex,
    name: str,
    fence: str,
    subcounts_mapping: Callable[[dict[str, Any]], dict[str, Any]] = enriched,
) -> str:
    """Create the target of a month.

    Args:
        client: decodes responses.
        source: index to copy.
        name: name of the target.
        fence: the only alias of the target. All writes go through it, so a run that
            has lost the month cannot write any more.
        subcounts_mapping: returns the target's mapping for the source's mapping.

    Returns:
        The uuid of the new index.

    Raises:
        StatsDashboardError: OpenSearch refuses the index, or a template of the cluster
            adds it to an alias that is read.
        ClusterNotHealthyError: the cluster creates no indices now, for example because
            all its disks are full.
    """
    settings = {k: v for k, v in source.settings.items() if k not in _OF_THE_INDEX}
    settings |= _NO_PIPELINES
    if "routing" in settings:
        # retain the node filters, but not those of a restore or a shrink
        allocation = dict(settings.pop("routing").get("allocation", {}))
        allocation.pop("initial_recovery", None)
        settings["routing"] = {"allocation": allocation}
    settings.update(_WHILE_FILLING)
    _make_room(settings)
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
    except TransportError as error:
        if not _is_own(client, name, fence, error):
            raise _not_created(name, error) from error
    made = client.indices.get(index=name)[name]
    if set(made.get("aliases", {})) != {fence}:
        client.indices.delete(index=name)  # created above, and empty
        raise StatsDashboardError(
            f"An index template adds {name} to the aliases "
            f"{sorted(set(made['aliases']) - {fence})}, so it would be read before it "
            "is complete. Raise STATS_DASHBOARD_TEMPLATE_PRIORITY above the priority "
            "of that template, then run the migration again."
        )
    return made["settings"]["index"]["uuid"]


def _make_room(settings: dict[str, Any]) -> None:
    """Raise a limit of fields that the source has, for those of the enrichment."""
    mapping = settings.get("mapping", {})
    total = mapping.get("total_fields", {})
    if "limit" in total:
        limit = str(int(total["limit"]) + _ADDED_FIELDS)
        settings["mapping"] = {**mapping, "total_fields": {**total, "limit": limit}}


def _is_own(client: OpenSearch, name: str, fence: str, error: TransportError) -> bool:
    """Return whether a target was created, and only the response was lost.

    The fence contains the id of this run, so no other index has it.
    """
    if error.error != "resource_already_exists_exception" and not is_transient(error):
        return False
    found = client.indices.get(index=name, ignore=[404])
    return fence in found.get(name, {}).get("aliases", {})


def _not_created(name: str, error: TransportError) -> Exception:
    """Return the error to raise when a target was not created."""
    if failure_of(error) is Failure.BLOCKED:
        return ClusterNotHealthyError(
            f"The cluster creates no new indices now ({describe(error)}). Free disk "
            "space, then run the same command again."
        )
    if isinstance(error, RequestError):
        info: Any = error.info
        return StatsDashboardError(
            f"OpenSearch refuses to create the index {name}: {info['error']['reason']}"
        )
    return error


def drop(run: MigrationRun, month: Month, guard: Guard) -> None:
    """Delete a month's target that is not in service, if it exists.

    Searches that began before a rollback, or before a cut-over was aborted, may still
    read it. They end first, even if the run that moved the aliases was killed.

    Args:
        run: the run that deletes.
        month: the month that the target belongs to.
        guard: this run's claim alias on another index of the month. Without it the
            target is not deleted.

    Raises:
        StatsDashboardError: the target has an alias that is no claim; it was not
            deleted.
        LockLostError: another run has the month.
    """
    client, names = run.client, run.names
    name = target_name(names, month)
    try:
        found = client.indices.get_alias(index=name)[name]["aliases"]
    except NotFoundError:
        return
    served = [alias for alias in found if not alias_actions.is_mark(name, alias)]
    if served:
        raise StatsDashboardError(
            f"{name} was not deleted, because it is in the alias {served[0]}. Remove "
            "it from the alias first."
        )
    read = names.events_alias(month.event_type)
    stock = names.events_month(month.event_type, month.month)
    readers = RunningSearches(client, read, stock, name)
    readers.wait(run.copier.check, run.copier.sleep)
    alias_actions.remove_index(client, guard, name)


def make_fit(
    client: OpenSearch,
    name: str,
    source: EventsIndex,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Give a filled target the replicas and settings of its source, and wait for them.

    Args:
        client: decodes responses.
        name: name of the target.
        source: index that the target replaces.
        timeout: seconds to wait for the replicas.
        sleep: waits for the given seconds; may raise to end the waiting.

    Raises:
        ClusterNotHealthyError: the replicas did not start in that time.
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
                # later writes of the migration name "_none" instead
                "default_pipeline": settings.get("default_pipeline", NO_PIPELINE),
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
                f"The replicas of {name} were not in sync after {timeout:.0f} seconds "
                f"(status {health['status']}, {health['unassigned_shards']} shards "
                "unassigned). The copied events remain. Run the same command again "
                "when the cluster can allocate the replicas."
            )
        sleep(0.5)


def set_final_pipeline(client: OpenSearch, fence: str, pipeline: str | None) -> None:
    """Set the final pipeline of an index.

    No write can avoid it, so an index that is filled with stored events has none.

    Args:
        client: decodes responses.
        fence: alias through which only this run writes to the index. If another run
            has taken over the month, OpenSearch finds no index.
        pipeline: name of the pipeline; None for no pipeline.
    """
    client.indices.put_settings(
        index=fence, body={"index.final_pipeline": pipeline or NO_PIPELINE}
    )


def _reachable_status(client: OpenSearch, source: str) -> set[str]:
    """Return the health states to wait for: green; also yellow if the source is yellow.

    In a cluster of one node every index with replicas is yellow.
    """
    status = client.cluster.health(index=source)["status"]
    return {"green"} if status == "green" else {"green", "yellow"}
