# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The work for a file stops when its client leaves."""

import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from invenio_stats_dashboard.queries.breakdowns import Breakdowns
from invenio_stats_dashboard.queries.series_reader import SeriesReader
from invenio_stats_dashboard.resources.client_disconnects import (
    ClientConnection,
    ClientLeftError,
)
from invenio_stats_dashboard.resources.serializers import xlsx
from invenio_stats_dashboard.resources.temporary_files import FOLDER

from .large_community import DAYS, make_large_community
from .slow_client import SlowClient

SECONDS = 60
"""For which the server may still be reading; only a failing test waits so long."""


@pytest.fixture(scope="module")
def large(site, client, names):
    """Return the path of a query for many values."""
    return make_large_community(site, client, names)


class Reading:
    """Watches which intervals a server reads.

    Attributes:
        intervals: number of intervals that were read.
        begun: is set when the third one is being read.
        proceed: the third one is read when this is set.
        ended: is set when the reading has ended, completely or not.
    """

    def __init__(self, monkeypatch):
        self.intervals = 0
        self.begun, self.proceed = threading.Event(), threading.Event()
        self.ended = threading.Event()
        tables, rows = Breakdowns.tables, SeriesReader.rows

        def watched_tables(breakdowns, buckets, only=None):
            for table in tables(breakdowns, buckets, only):
                self.intervals += 1
                if self.intervals == 3:
                    self.begun.set()
                    assert self.proceed.wait(SECONDS)
                yield table

        def watched_rows(reader, query, proceed):
            try:
                yield from rows(reader, query, proceed)
            finally:
                self.ended.set()

        monkeypatch.setattr(Breakdowns, "tables", watched_tables)
        monkeypatch.setattr(SeriesReader, "rows", watched_rows)


@pytest.fixture()
def reading(monkeypatch):
    """Return what watches the reading."""
    return Reading(monkeypatch)


@pytest.mark.parametrize("query", ["format=xlsx&top=all", "format=csv&top=5"])
def test_reading_stops_if_a_client_leaves_before_the_first_byte(
    query, address, large, reading
):
    client = SlowClient(address, f"{large}&{query}")
    assert reading.begun.wait(SECONDS)
    client.close()
    reading.proceed.set()
    assert reading.ended.wait(SECONDS)
    assert reading.intervals == 3


def test_reading_stops_if_a_client_leaves_in_the_middle_of_a_table(
    address, large, reading
):
    reading.proceed.set()
    client = SlowClient(address, f"{large}&format=csv&top=all")
    assert client.begin() == 200
    client.close()
    assert reading.ended.wait(SECONDS)
    assert reading.intervals < DAYS


@pytest.mark.parametrize("query", ["format=xlsx&top=all", "format=csv&top=5"])
def test_a_client_that_stays_gets_everything(query, address, large, reading):
    reading.proceed.set()
    client = SlowClient(address, f"{large}&{query}")
    try:
        assert client.begin() == 200
        assert len(client.rest()) > 1000
    finally:
        client.close()
    assert reading.intervals >= DAYS


def test_nothing_is_put_together_for_a_client_that_has_left(
    site, address, large, reading, monkeypatch, tmp_path
):
    from xlsxwriter import Workbook

    monkeypatch.setitem(site.app.config, FOLDER, str(tmp_path))
    stored, removed = [], threading.Event()
    monkeypatch.setattr(Workbook, "_store_workbook", lambda _: stored.append(1))
    original = xlsx.write_xlsx

    def write_xlsx(*arguments, **options):
        try:
            original(*arguments, **options)
        finally:
            removed.set()

    monkeypatch.setattr(xlsx, "write_xlsx", write_xlsx)
    client = SlowClient(address, f"{large}&format=xlsx&top=all")
    assert reading.begun.wait(SECONDS)
    client.close()
    reading.proceed.set()
    assert removed.wait(SECONDS) and stored == []
    until = time.monotonic() + SECONDS
    while list(tmp_path.iterdir()) and time.monotonic() < until:
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture()
def pair():
    """Return the two ends of a connection."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@pytest.mark.parametrize("server", ["gunicorn", "werkzeug", "uwsgi"])
def test_the_connection_of_each_server_is_watched(server, pair, monkeypatch):
    mine, theirs = pair
    environ = {f"{server}.socket": mine}
    if server == "uwsgi":
        environ = {}
        module = SimpleNamespace(connection_fd=mine.fileno)
        monkeypatch.setitem(sys.modules, "uwsgi", module)
    connection = ClientConnection(environ)
    connection.check()
    theirs.sendall(b"GET / HTTP/1.1")  # the next request
    connection.check()
    theirs.close()
    with pytest.raises(ClientLeftError):
        connection.check()


def test_without_a_connection_no_client_leaves():
    ClientConnection({}).check()
