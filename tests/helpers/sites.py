# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Start a site with a message broker and a Celery worker, as in production.

Events are published as by the site's pages. Messages call ``process_events``, as beat
does. The worker reaches OpenSearch through a proxy.
"""

import os
import signal
import threading
from collections import Counter
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

from celery import Celery
from invenio_queues.queue import Queue
from invenio_stats.processors import EventsIndexer, flag_machines, flag_robots
from invenio_stats.proxies import current_stats
from kombu import Connection

from invenio_stats_dashboard.usage_events.indexer import PatientEventsIndexer

from .celery_programs import CelerySite
from .faults import until

VIEW, DOWNLOAD = "record-view", "file-download"

_TASK = "invenio_stats.tasks.process_events"
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0"


class SmallChunks(PatientEventsIndexer):
    """The site's own indexer, which takes few messages at a time and waits briefly.

    A few hundred events are then several chunks, like the thousands of a real site.
    """

    chunk_size = 200
    mapping_patience = 2.0


class Site:
    """The queues of an instance on a broker, and the worker that empties them.

    Everything except the worker needs an application context.

    Args:
        zygote: the :class:`~.zygote.Zygote` that the worker is forked from.
        where: the :class:`~.instance.Place` of the instance.
        broker: the :class:`~.services.RabbitMQ`.
        proxy: the :class:`~.proxies.Proxy` through which the worker reaches OpenSearch.

    Attributes:
        log: the file that the worker writes to.
        calls: results of the calls since the last time that a worker was killed.
    """

    def __init__(self, zygote, where, broker, proxy):
        """Store the arguments, without starting anything."""
        self._zygote, self._programs = zygote, None
        self._where, self.broker, self.proxy = where, broker, proxy
        self.log = Path(where.folder) / "worker.log"
        self._worker = None
        self.calls = []
        self._celery = _client(broker_url=broker.url)
        # a sender must not subscribe to results, because several threads send
        self._results = _client(result_backend=os.environ["CACHE_REDIS_URL"])

    # -- the worker ----------------------------------------------------------

    @property
    def name(self):
        """Return the worker's name."""
        return f"{self._where.prefix}site@here"

    def worker(self):
        """Start the worker if it is not running, and wait until it is ready."""
        if self._worker is not None and self._worker.poll() is None:
            return
        if self._programs is None:
            self._programs = CelerySite(
                self._zygote,
                self._where,
                BROKER_URL=self.broker.url,
                CELERY_BROKER_URL=self.broker.url,
                CELERY_RESULT_BACKEND=os.environ["CACHE_REDIS_URL"],
                CELERY_RESULT_EXPIRES=3600,
                CELERY_TASK_ALWAYS_EAGER=False,
                SEARCH_HOSTS=[self.proxy.address],
                STATS_EVENTS=_in_small_chunks(),
            )
        self._worker = self._programs.start(
            *("worker", "--pool", "prefork", "--concurrency", "2"),
            *("-n", self.name, "-l", "warning", "--without-gossip"),
            "--without-mingle",
            log=self.log,
        )
        until(self._answers, "the worker answered", 120)

    def _answers(self):
        printed = self.log.read_text()[-3000:]
        assert self._worker.poll() is None, f"the worker did not start: {printed}"
        inspect = self._celery.control.inspect([self.name], timeout=0.5)
        return inspect.ping()

    def kill(self):
        """Kill the worker and all its processes, as ``kill -9`` does."""
        os.killpg(self._worker.pid, signal.SIGKILL)
        self._worker.wait()
        self._worker = None
        self.calls.clear()  # these calls may never end

    def kill_children(self):
        """Kill the processes that run tasks, as the kernel does when out of memory."""
        pid = self._worker.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(children) >= 2
        for child in children:
            os.kill(int(child), signal.SIGKILL)

    def close(self):
        """End the worker."""
        if self._worker is not None:
            self.kill()
        if self._programs is not None:
            self._programs.close()

    # -- tasks -----------------------------------------------------------------

    def call(self, *events):
        """Make the worker process events, as beat does.

        Args:
            *events: names of events; without any, all events.

        Returns:
            AsyncResult: result of the task.
        """
        names = list(events or (VIEW, DOWNLOAD))
        id = self._celery.send_task(_TASK, [names]).id
        call = self._results.AsyncResult(id)
        self.calls.append(call)
        return call

    def done(self, *events):
        """Make the worker process events, and wait for the result.

        Returns:
            dict: name -> (stored, refused).
        """
        result = self.call(*events)
        until(result.ready, "the task ended", 120)
        assert result.successful(), result.traceback
        return {name: tuple(counts) for name, counts in result.result}

    def work_off(self):
        """Wait for all calls, and call until the queues are empty.

        Returns:
            dict: name -> number of events stored by the calls of this method.
        """
        stored = Counter()

        def nothing():
            counts = self.done()
            stored.update({name: count for name, (count, _) in counts.items()})
            return not any(map(any, counts.values()))

        # a running call may have unacknowledged messages
        until(lambda: all(call.ready() for call in self.calls), "all calls ended", 120)
        until(nothing, "the queues are empty", 120)
        assert self.left(VIEW) == self.left(DOWNLOAD) == 0
        return stored

    # -- the queues --------------------------------------------------------------

    @contextmanager
    def _queue(self, event):
        """Open a queue with a new connection, which survives no restart."""
        pool = Connection(self.broker.url).Pool(limit=1)
        yield Queue(current_stats.exchange, f"stats-{event}", lambda: pool)
        # closed properly, so that the broker has everything that was sent
        with pool.acquire() as connection:
            connection.close()

    def declare(self):
        """Declare the queues, as ``invenio queues declare`` does, and empty them."""
        for event in (VIEW, DOWNLOAD):
            with self._queue(event) as queue:
                queue.queue.declare()
                queue.queue.purge()

    def publish(self, events, event=VIEW):
        """Put events into a queue; the given events do not change."""
        with self._queue(event) as queue:
            queue.publish(events)

    def left(self, event=VIEW):
        """Return the number of ready messages, without unacknowledged ones."""
        with self._queue(event) as queue:
            return queue.queue.queue_declare(passive=True).message_count


class Beat(threading.Thread):
    """Calls the processing of events repeatedly, with short pauses.

    Args:
        site: the :class:`Site`.
    """

    def __init__(self, site):
        """Store the arguments; entering the context starts the thread."""
        super().__init__(daemon=True)
        self._site, self._ended = site, threading.Event()

    def run(self):
        """Call whenever fewer than two calls are running."""
        while not self._ended.wait(0.3):
            if sum(not call.ready() for call in self._site.calls[-10:]) < 2:
                self._site.call()

    def __enter__(self):
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_):
        """Stop calling; :meth:`Site.work_off` waits for running calls."""
        self._ended.set()
        self.join(timeout=60)
        assert not self.is_alive()


def _in_small_chunks():
    """Return the configuration of the usage events with :class:`SmallChunks`."""
    from invenio_app_rdm.config import STATS_EVENTS

    own = {
        name: {**STATS_EVENTS[name], "cls": SmallChunks} for name in (VIEW, DOWNLOAD)
    }
    return {**STATS_EVENTS, **own}


def _client(**conf):
    """Return a Celery application that only sends, or only reads results."""
    found = Celery("tests", set_as_current=False)
    formats = {f"{kind}_serializer": "msgpack" for kind in ("task", "result")}
    found.conf.update(accept_content=["json", "msgpack"], **formats, **conf)
    return found


def views(count, records, first=0, **fields):
    """Return views of records by different visitors, as event builders make them.

    Args:
        count: number of views.
        records: the records, used in turn.
        first: number of the first visitor.
        **fields: fields that replace or extend the usual ones in all views.
    """
    now = datetime.now(UTC).replace(tzinfo=None).isoformat()
    return [
        {
            "timestamp": now,
            "recid": (record := records[number % len(records)]).recid,
            "parent_recid": record.parent_recid,
            "referrer": None,
            "ip_address": None,
            "user_agent": _BROWSER,
            "user_id": None,
            "session_id": f"session {number}",
            "via_api": False,
            **fields,
        }
        for number in range(first, first + count)
    ]


def downloads(count, records, first=0, **fields):
    """Return downloads of the records' first files; see :func:`views`."""
    found = views(count, records, first, **fields)
    for number, event in enumerate(found, first):
        file = records[number % len(records)].files[0]
        event.update(
            bucket_id=file.bucket_id,
            file_id=file.file_id,
            file_key=file.key,
            size=file.size,
        )
    return found


def ids_of(events, event=VIEW):
    """Return the ids that the stock indexer assigns to events, including robots."""
    params = current_stats.events[event].params
    slow = (flag_robots, flag_machines)  # they match hundreds of patterns
    fast = [p for p in params["preprocessors"] if getattr(p, "func", p) not in slow]
    queue = Listed(f"stats-{event}", events)
    indexer = EventsIndexer(queue=queue, preprocessors=fast)
    return {action["_id"] for action in indexer.actionsiter()}


class Listed:
    """A list in place of a queue, for the stock indexer.

    Args:
        routing_key: routing key of the queue.
        events: list of events, which do not change.
    """

    def __init__(self, routing_key, events):
        """Store the arguments."""
        self.routing_key, self._events = routing_key, events

    def consume(self):
        """Yield the events."""
        yield from deepcopy(self._events)
