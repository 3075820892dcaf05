# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What the web processes, workers, beat and operator of a site do.

A :class:`~.zygote.Zygote` of any version of the package can run these functions. They
use names of the package that are public, so that they are the same in each version.
Messages go through the real broker.
"""

import os
from pathlib import Path

import pytest
from celery import current_app as current_celery
from invenio_queues.queue import Queue
from invenio_stats.proxies import current_stats
from kombu import Connection, Exchange

from . import commands, content
from .brokers import sending_tasks
from .http import Http
from .processes import kill_me

VIEW, DOWNLOAD = "record-view", "file-download"

HOURLY = (
    "reconcile_community_events",
    "fill_usage_events",
    "attribute_usage_events_again",
    "recover_overdue_switches",
    "catch_up_community_stats",
)
"""The tasks of beat, each as often as in an hour in which nothing else happens."""

_CHUNK = 10
_OURS = ("COMMUNITY_STATS_", "STATS_DASHBOARD_")


def code(_):
    """Return the folders of the package, and of the metadata of its entry points."""
    from importlib.metadata import entry_points

    import invenio_stats_dashboard

    (entry,) = entry_points(
        group="invenio_celery.tasks", name=invenio_stats_dashboard.__name__
    )
    folder = Path(invenio_stats_dashboard.__file__).parents[1]
    return str(folder), str(Path(entry.dist.locate_file("")).resolve())


def interface(app):
    """Return what a site configures, calls and sends, as a set of names for each kind.

    ``settings`` are configuration variables, ``commands`` words and options of the
    command line, ``tasks`` names of tasks, ``schedule`` those that beat sends, and
    ``paths`` paths and parameters of the REST API.
    """
    from invenio_stats_dashboard import config, tasks
    from invenio_stats_dashboard.cli import community_stats

    package = tasks.__name__.rpartition(".")[0]
    _, described = ask(app, "/openapi.json")
    return {
        "settings": {n for n in dir(config) if n.startswith(_OURS)},
        "commands": set(_words(community_stats, "")),
        "tasks": {n for n in current_celery.tasks if n.startswith(package)},
        "schedule": {entry["task"] for entry in tasks.BEAT_SCHEDULE.values()},
        "paths": set(_paths(described)),
    }


def _words(command, before):
    """Yield each command with each of its options."""
    for parameter in command.params:
        yield from (f"{before} {option}" for option in parameter.opts)
    for name, inner in getattr(command, "commands", {}).items():
        yield f"{before} {name}"
        yield from _words(inner, f"{before} {name}")


def _paths(described):
    """Yield each path of an OpenAPI document with each of its parameters."""
    for path, operations in described["paths"].items():
        yield path
        for parameter in operations["get"].get("parameters", ()):
            name = parameter.get("name") or parameter["$ref"].rpartition("/")[2]
            yield f"{path} {name}"


def start(app):
    """Do what each process of the site does at its start, with an application."""
    from invenio_stats_dashboard.ext import finalize_app

    finalize_app(app)


def operate(app, *words):
    """Run ``invenio community-stats`` with some words."""
    return commands.run(app, *words)


def beat(app, *names, **config):
    """Run tasks, as a worker does that beat has sent them to.

    Args:
        app: the application.
        *names: names of tasks; by default :data:`HOURLY`.
        **config: configuration variables.
    """
    from invenio_stats_dashboard import tasks

    app.config.update(config)
    for name in names or HOURLY:
        getattr(tasks, name)()


def attribute_again(app):
    """Re-attribute events without waiting until caches have expired."""
    extension = app.extensions["invenio-stats-dashboard"]
    extension.event_reindexing_service.attribute_again(rest=0)


def ask(app, path):
    """Get a path of the REST API below ``/stats-dashboard``, as a visitor.

    Returns:
        int, dict: the status code and the JSON document.
    """
    found = Http(app).get(f"/stats-dashboard{path}")
    return found.status_code, found.json


# -- usage events ------------------------------------------------------------


def queue_of(event, name):
    """Return a queue of events on the real broker.

    Args:
        event: name of the event.
        name: name of the exchange, which begins that of the queue.
    """
    pool = Connection(os.environ["BROKER_URL"]).Pool(limit=2)
    exchange = Exchange(name, type="direct", delivery_mode="persistent")
    return Queue(exchange, f"{name}-{event}", lambda: pool)


def index_events(app, name):
    """Index the events that wait in the queues, as a worker does.

    Args:
        app: the application.
        name: see :func:`queue_of`.

    Returns:
        dict: name of the event -> (stored, refused).
    """
    done = {}
    for event in (VIEW, DOWNLOAD):
        found = current_stats.events[event]
        params = {**found.params, "queue": queue_of(event, name)}
        indexer = found.cls(**params)
        indexer.index = f"{app.config['SEARCH_INDEX_PREFIX']}events-stats-{event}"
        indexer.chunk_size = _CHUNK
        done[event] = indexer.run()
    return done


def index_and_die(app, name):
    """Index events, and be killed before the messages of the first are acknowledged."""
    from invenio_stats_dashboard.usage_events.consumer import Delivery

    Delivery.done = lambda _: kill_me()
    return index_events(app, name)


# -- memberships -------------------------------------------------------------


def change(app, queue, function, *arguments):
    """Change content as a web process does, whose messages go to the real broker.

    Args:
        app: the application.
        queue: the queue of tasks, which nobody reads; :func:`capture` does the task.
        function: name of a function of :mod:`.content`.
        *arguments: its arguments.
    """
    _capture_changes()
    with pytest.MonkeyPatch.context() as patch, sending_tasks(patch, queue):
        return getattr(content, function)(*arguments)


def capture(app, queue):
    """Capture the changes that wait on the real broker, as a worker does."""
    from invenio_stats_dashboard import tasks

    with pytest.MonkeyPatch.context() as patch, sending_tasks(patch, queue):
        tasks.capture_community_changes()


def _capture_changes():
    """Watch the database session, which applications of tests do not."""
    from invenio_stats_dashboard import tasks
    from invenio_stats_dashboard.community_events import capture

    capture.install(tasks.send_capture)
