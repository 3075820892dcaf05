# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A request contacts no service more often than without the extension."""

from contextlib import contextmanager
from io import BytesIO

import kombu
import pytest
import sqlalchemy as sa
import urllib3
from flask import has_request_context
from invenio_db import db
from invenio_rdm_records.proxies import current_rdm_records_service

from invenio_stats_dashboard import tasks
from invenio_stats_dashboard.broker import prompt_producer
from invenio_stats_dashboard.community_events import capture, database_indexes
from invenio_stats_dashboard.community_events.membership_changes import (
    MembershipChanges,
)
from tests.helpers import content
from tests.helpers.capturing import without_listeners


@contextmanager
def counted_requests(monkeypatch):
    """Yield the numbers of requests to the database, OpenSearch and the broker."""
    counts = {"sql": 0, "search": 0, "refreshes": 0, "messages": 0}

    def statement(*_):
        counts["sql"] += 1

    urlopen = urllib3.HTTPConnectionPool.urlopen

    def request(pool, method, url, *args, **kwargs):
        counts["search"] += 1
        counts["refreshes"] += "/_refresh" in url
        return urlopen(pool, method, url, *args, **kwargs)

    publish = kombu.Producer.publish

    def published(*args, **kwargs):
        counts["messages"] += 1
        return publish(*args, **kwargs)

    def message(**_):
        counts["messages"] += 1

    sa.event.listen(db.engine, "before_cursor_execute", statement)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(urllib3.HTTPConnectionPool, "urlopen", request)
            patch.setattr(kombu.Producer, "publish", published)
            patch.setattr(capture.Watcher, "send", staticmethod(message))
            yield counts
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", statement)


def accepted(app, monkeypatch):
    """Return the requests of accepting an inclusion, and the requests after it."""
    community, recid = content.make_community(), content.make_record()
    request = content.request_inclusion(recid, community)
    with (
        monkeypatch.context() as patch,
        app.app_context(),
        app.test_request_context(),
        counted_requests(monkeypatch) as counts,
    ):
        patch.setattr(capture, "has_request_context", has_request_context)
        content.accept(request)
        response = app.process_response(app.response_class())
        during = dict(counts)
        response.close()
    return during, counts["messages"]


def test_an_accepted_inclusion(capturing, monkeypatch):
    accepted(capturing, monkeypatch)  # fills the caches
    with without_listeners():
        stock, none = accepted(capturing, monkeypatch)
    ours, after = accepted(capturing, monkeypatch)
    assert ours == stock and stock["sql"] > 0 and stock["search"] > 0
    # one message more, after the response
    assert (none, after) == (stock["messages"], ours["messages"] + 1)


@pytest.mark.parametrize("path", ["", "/files/a.txt/content"])
def test_reading_a_record_and_a_file(capturing, monkeypatch, path):
    recid = content.make_record(files={"a.txt": BytesIO(b"text").getvalue()})
    client = capturing.test_client()
    url = f"/records/{recid}{path}"

    def get():
        with counted_requests(monkeypatch) as counts:
            assert client.get(url, base_url="https://127.0.0.1:5000").status_code == 200
        return counts

    get()
    with without_listeners():
        stock = get()
    assert get() == stock and stock["sql"] > 0


def test_a_capture_that_changes_nothing(capturing, monkeypatch):
    recid = content.make_record()
    parent = current_rdm_records_service.record_cls.pid.resolve(recid).parent.id
    extension = capturing.extensions["invenio-stats-dashboard"]
    capture_changes = extension.community_stats_service.capture
    changes = MembershipChanges((str(parent),))
    capture_changes(changes)
    monkeypatch.setattr(database_indexes, "REMEMBERED", 60)
    database_indexes.look_again(db.engine)
    with counted_requests(monkeypatch) as counts:
        assert capture_changes(changes).written.events == 0
    # does it exist, its templates, the last write, the events, the facts
    assert (counts["search"], counts["refreshes"]) == (5, 1)
    # the indexes, unless they are known; three times the planner settings; the versions
    # of the parent; the record, its memberships, identifiers, requests, files, deletions
    assert counts["sql"] == 11


def test_changes_that_wait_together_are_one_capture(capturing, monkeypatch):
    task = tasks.capture_community_changes
    recids = [content.make_record() for _ in range(12)]
    resolve = current_rdm_records_service.record_cls.pid.resolve
    waiting = [{"parent_ids": [str(resolve(recid).parent.id)]} for recid in recids]

    def requests(changes):
        with prompt_producer(task.app) as producer:
            for each in changes:
                tasks._change_queue().put(producer, each)
        with counted_requests(monkeypatch) as counts:
            task.apply(throw=True)
        return counts

    monkeypatch.setattr(database_indexes, "REMEMBERED", 60)
    requests(waiting)  # fills the caches
    one, all_of_them, none = (
        requests(changes) for changes in (waiting[:1], waiting, [])
    )
    assert one == all_of_them and one["refreshes"] == 1
    assert (none["search"], none["sql"]) == (0, 0)


def test_a_removal(capturing, monkeypatch):
    def removed():
        community, recid = content.make_community(), content.make_record()
        content.include(recid, community)
        with counted_requests(monkeypatch) as counts:
            content.remove(recid, community)
        return counts

    removed()
    with without_listeners():
        stock = removed()
    ours = removed()
    # a query deletes the rows, so their parents are read before
    assert ours["sql"] == stock["sql"] + 1
    assert (ours["search"], ours["messages"]) == (
        stock["search"],
        stock["messages"] + 1,
    )
