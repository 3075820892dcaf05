# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""No database transaction is open while numbers are read, or sent to a slow client."""

import secrets
import time

import pytest
import sqlalchemy as sa
from invenio_db import db

from invenio_stats_dashboard.queries.series_reader import SeriesReader
from invenio_stats_dashboard.reports.counter.events import CountedEvents
from invenio_stats_dashboard.reports.top_records import TopRecordsReader
from invenio_stats_dashboard.resources import http

from ..aggregations.usage.build import Events
from .large_community import make_large_community
from .slow_client import BUFFER, SlowClient

LARGE = 10 * BUFFER
"""Bytes of an answer of which the server has not sent most when the client pauses."""

SECONDS = 10
"""For which a transaction may still be ending; only a failing test waits so long."""

MONTH, RECORDS = "2020-05", 300
"""Month and number of the records of the COUNTER report."""


class Transactions:
    """Reads which connections to a database are idle in a transaction.

    Args:
        uri: URI of the database.
    """

    def __init__(self, uri):
        self._engine = sa.create_engine(uri, isolation_level="AUTOCOMMIT")
        # pytest-flask has an open request in this thread, which may have used it
        self._before = self._idle()

    def idle(self):
        """Return the last statement of each such connection, except older ones."""
        found = self._idle()
        return [found[pid] for pid in found.keys() - self._before.keys()]

    def all_ended(self):
        """Wait until none is left, and return those that are left."""
        until = time.monotonic() + SECONDS
        while (left := self.idle()) and time.monotonic() < until:
            time.sleep(0.05)
        return left

    def close(self):
        """Close the connections."""
        self._engine.dispose()

    def _idle(self):
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT pid, query FROM pg_stat_activity WHERE state LIKE 'idle in "
                    "transaction%' AND datname = current_database()"
                )
            )
            return dict(rows.all())


@pytest.fixture()
def transactions(where):
    """Return what reads the open transactions of the instance."""
    found = Transactions(where.database_uri)
    yield found
    found.close()


@pytest.fixture(scope="module")
def large_series(site, client, names):
    """Return the path of a query for many numbers."""
    return make_large_community(site, client, names)


@pytest.fixture(scope="module")
def large_report(site, client, names):
    """Return the path of a COUNTER report with many records."""
    index = f"{names.prefix}rdmrecords-records"
    recids = _index_copies(client, index)
    events = Events(site.app, client, names)
    events.write(
        events.event(
            n,
            f"{MONTH}-02T10:00:00",
            communities=[site.communities["open"]],
            recid=recid,
            unique_id=recid,
        )
        for n, recid in enumerate(recids)
    )
    client.indices.refresh(index=f"{names.prefix}events-*")
    yield f"/stats-dashboard/communities/{site.slugs['open']}/counter?month={MONTH}"
    client.indices.delete(index=names.events_month("view", MONTH))
    client.delete_by_query(
        index=index, body={"query": {"terms": {"id": recids}}}, refresh=True
    )


def _index_copies(client, index):
    """Index copies of a public record in the search index only; return their recids."""
    client.indices.refresh(index=index)
    # the site has deleted records, which a report does not name
    visible = [
        {"term": {"access.record": "public"}},
        {"term": {"deletion_status": "P"}},
    ]
    body = {"query": {"bool": {"filter": visible}}, "size": 1}
    found = client.search(index=index, body=body)
    (hit,) = found["hits"]["hits"]
    recids = [f"copy-{n:03}" for n in range(RECORDS)]
    lines = []
    for recid in recids:
        source = {**hit["_source"], "id": recid, "uuid": recid}
        lines += [{"index": {"_index": hit["_index"], "_id": recid}}, source]
    assert not client.bulk(body=lines, refresh=True)["errors"]
    return recids


def paused(address, path, transactions):
    """Read the beginning of an answer, look for transactions, and read the rest."""
    client = SlowClient(address, path)
    try:
        assert client.begin() == 200
        left = transactions.all_ended()
        rest = client.rest()
    finally:
        client.close()
    # otherwise the server may have finished before the client paused
    assert len(rest) > LARGE
    return left


@pytest.mark.parametrize(
    "form", ["format=csv&top=all", "format=xlsx&top=all", "format=json&top=200"]
)
def test_no_transaction_is_open_while_a_client_reads_series(
    form, address, large_series, transactions
):
    assert paused(address, f"{large_series}&{form}", transactions) == []


def test_no_transaction_is_open_while_a_client_reads_a_counter_report(
    address, large_report, transactions
):
    assert paused(address, large_report, transactions) == []


def test_a_client_that_leaves_leaves_no_transaction(
    address, large_series, transactions
):
    client = SlowClient(address, f"{large_series}&format=csv&top=all")
    assert client.begin() == 200
    client.close()
    assert transactions.all_ended() == []


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "gzip"}])
def test_no_transaction_is_open_while_a_piece_is_sent(headers, site, transactions):
    read = []

    def pieces():
        for _ in range(3):
            db.session.execute(sa.text("SELECT 1"))
            read.append(transactions.idle())
            # compressed, it fills a buffer
            yield secrets.token_bytes(100_000)

    with site.app.test_request_context(headers=headers):
        response = http.streamed(pieces(), http.CSV, {})
        found = [transactions.idle() for _ in response.iter_encoded()]
    assert all(read), "the pieces were read without a transaction"
    assert len(found) >= 3 and not any(found)


def looking(monkeypatch, transactions, cls, method):
    """Look for transactions whenever a method is called; return what was found."""
    found, original = [], getattr(cls, method)

    def watched(self, *args, **options):
        found.append(transactions.idle())
        return original(self, *args, **options)

    monkeypatch.setattr(cls, method, watched)
    return found


@pytest.mark.parametrize(
    ("path", "cls", "method"),
    [
        ("?format=json", SeriesReader, "read"),
        ("?format=csv", SeriesReader, "rows"),
        ("?format=xlsx", SeriesReader, "rows"),
        ("/records?size=11", TopRecordsReader, "read"),
        (f"/counter?month={MONTH}", CountedEvents, "number"),
    ],
)
@pytest.mark.parametrize("who", ["anyone", "owner"])
def test_no_transaction_is_open_while_numbers_are_read(
    who, path, cls, method, site, transactions, monkeypatch
):
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_CACHE_SECONDS", 0)
    found = looking(monkeypatch, transactions, cls, method)
    path = f"/stats-dashboard/communities/{site.slugs['closed']}{path}"
    if who == "anyone":
        path = path.replace(site.slugs["closed"], site.slugs["open"])
    assert site.as_(who).get(path).status_code == 200
    assert found and not any(found)
