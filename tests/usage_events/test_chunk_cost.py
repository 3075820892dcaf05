# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A chunk of events costs the same number of requests for any number of records."""

import re

import pytest
import sqlalchemy as sa
import urllib3
from invenio_db import db

from invenio_stats_dashboard.usage_events.event_writer import EventWriter

from ..helpers.usage import Usage


@pytest.fixture()
def usage(fresh, client, names):
    """Return an instance with a thousand known records and a month of events."""
    usage = Usage(fresh, client, names, records=1000)
    usage.legacy("view", "2026-03", count=10)
    return usage


def _chunk(usage, events, seed):
    index = usage.names.events_month("view", "2026-03")
    return [
        (
            f"{seed} {id_}",
            {"_op_type": "index", "_index": index, "_id": id_, "_source": source},
        )
        for id_, source in usage.events("view", "2026-03", events, seed)
    ]


def _requests(usage, chunk, monkeypatch):
    """Return the requests of a worker to OpenSearch and the database for one chunk."""
    extension = usage.app.extensions["invenio-stats-dashboard"]
    writer = EventWriter(
        usage.app, "a queue", extension.subcounts, extension.recover_cutovers
    )
    requests, urlopen = [], urllib3.HTTPConnectionPool.urlopen

    def request(pool, method, url, *args, **kwargs):
        path = url.partition("?")[0].replace(f"/{usage.names.prefix}", "/")
        # OpenSearch takes many times as long to filter the source of each document
        filtered = " filtered" if "_mget" in path and "_source=" in url else ""
        requests.append(f"{method} {re.sub('_doc/.*', '_doc/RUN', path)}{filtered}")
        return urlopen(pool, method, url, *args, **kwargs)

    def statement(*arguments):
        requests.append(arguments[2].split()[0])

    sa.event.listen(db.engine, "before_cursor_execute", statement)
    with monkeypatch.context() as patch:
        patch.setattr(urllib3.HTTPConnectionPool, "urlopen", request)
        writer.write(chunk, redelivered=False)
    sa.event.remove(db.engine, "before_cursor_execute", statement)
    writer.close()
    return requests


def test_a_chunk_of_known_records(usage, monkeypatch):
    _requests(usage, _chunk(usage, 1, seed=1), monkeypatch)  # creates missing indices
    one = _requests(usage, _chunk(usage, 1, seed=2), monkeypatch)
    thousand = _chunk(usage, 1000, seed=3)
    assert len({action["_source"]["recid"] for _, action in thousand}) > 300
    assert _requests(usage, thousand, monkeypatch) == one
    assert one == [
        # the journal of this run and of killed ones
        "POST /events-stats-unacknowledged/_refresh",
        "POST /events-stats-unacknowledged/_search",
        "HEAD /events-stats-unacknowledged",
        "PUT /events-stats-unacknowledged/_doc/RUN",
        # whether the month maps the enriched fields
        "GET /events-stats-record-view-2026-03/_mapping",
        # the records, and from the database those that OpenSearch does not know
        "POST /stats-community-record-facts/_mget",
        "POST /stats-community-events/_search",
        *["SELECT"] * 2,
        "POST /_bulk",
    ]
