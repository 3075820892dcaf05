# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A request asks no service more often than without the extension."""

from contextlib import contextmanager
from io import BytesIO

import kombu
import pytest
import sqlalchemy as sa
import urllib3
from flask import has_request_context
from invenio_db import db

from invenio_stats_dashboard.community_events import capture
from tests.helpers import content
from tests.helpers.capturing import without_listeners


@contextmanager
def asked(monkeypatch):
    """Yield how often the database, OpenSearch and the broker are asked meanwhile."""
    counts = {"sql": 0, "search": 0, "messages": 0}

    def statement(*_):
        counts["sql"] += 1

    urlopen = urllib3.HTTPConnectionPool.urlopen

    def request(*args, **kwargs):
        counts["search"] += 1
        return urlopen(*args, **kwargs)

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
    """Return what the acceptance of an inclusion asks, and what comes after it."""
    community, recid = content.make_community(), content.make_record()
    request = content.request_inclusion(recid, community)
    with (
        monkeypatch.context() as patch,
        app.app_context(),
        app.test_request_context(),
        asked(monkeypatch) as counts,
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
    # one message more, when the answer has gone out
    assert (none, after) == (stock["messages"], ours["messages"] + 1)


@pytest.mark.parametrize("path", ["", "/files/a.txt/content"])
def test_reading_a_record_and_a_file(capturing, monkeypatch, path):
    recid = content.make_record(files={"a.txt": BytesIO(b"text").getvalue()})
    client = capturing.test_client()
    url = f"/records/{recid}{path}"

    def get():
        with asked(monkeypatch) as counts:
            assert client.get(url, base_url="https://127.0.0.1:5000").status_code == 200
        return counts

    get()
    with without_listeners():
        stock = get()
    assert get() == stock and stock["sql"] > 0
