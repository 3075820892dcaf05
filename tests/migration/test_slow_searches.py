# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A search that began before a cut-over gets the right total, also if it is slow."""

import threading

import pytest

from ..helpers.faults import At

MONTHS = [f"2025-{number:02d}" for number in range(1, 8)]
LAST = MONTHS[-1]
ARGUMENTS = {"batch_size": 50, "ignore_stock_workers": True}
EVENTS = 100

SLOW = [
    {
        "script": {
            "script": {
                "params": {"n": n},
                "source": "long x = params.n; for (int i = 0; i < 900000; i++) "
                "{ x += i % 7 } return x >= 0;",
            }
        }
    }
    for n in range(2)
]
"""Takes some seconds for all months, so that the last one is searched late."""


def _search(usage, answers):
    answers.append(
        usage.client.search(
            index=usage.names.events_alias("view"),
            body={
                "size": 0,
                "track_total_hits": True,
                "query": {"bool": {"filter": SLOW}},
            },
            # searches one shard after the other, as hundreds of shards do, and not the
            # cache, which has the same search of an earlier test
            params={
                "max_concurrent_shard_requests": 1,
                "request_cache": "false",
                "request_timeout": 60,
            },
        )
    )


@pytest.fixture(scope="module")
def earlier(app, known_records):
    """Return records with events in all months but the last, which no test changes."""
    with app.app_context():
        usage = known_records.without_events()
        for number, month in enumerate(MONTHS[:-1]):
            usage.legacy("view", month, EVENTS, seed=number)
    return usage


@pytest.fixture()
def usage(app, known_records, earlier):
    """Return records with events in all months; the last one has just been created."""
    month, backup = (
        name("view", LAST)
        for name in (earlier.names.events_month, earlier.names.events_backup)
    )
    # a pattern, because the name of the month may be an alias
    earlier.client.indices.delete(index=f"{month}*,{backup}", ignore_unavailable=True)
    known_records.forget_bookmarks()
    with app.app_context():
        earlier.legacy("view", LAST, EVENTS, seed=len(MONTHS))
        yield earlier


@pytest.mark.parametrize("at", ["read alias", "rollback last call"])
def test_search_under_way_sees_every_event(usage, at):
    answers, threads = [], []

    def start():
        thread = threading.Thread(target=_search, args=(usage, answers))
        thread.start()
        threads.append(thread)
        while not _running(usage):
            pass

    step = At(at, start)
    if at == "read alias":
        report = usage.service.reindex_events(months=[LAST], step=step, **ARGUMENTS)
        assert report.completed
    else:
        usage.migrate(months=[LAST], **ARGUMENTS)
        (done,) = usage.service.rollback(["view"], [LAST], step=step)
        assert done.error is None
    for thread in threads:
        thread.join()
    (answer,) = answers
    assert answer["hits"]["total"]["value"] == EVENTS * len(MONTHS), answer


class Killed(BaseException):
    """Ends a run as a signal does, at a step."""


@pytest.mark.parametrize("then", ["rollback", "migration"])
def test_search_sees_every_event_though_the_rollback_was_killed_meanwhile(usage, then):
    usage.migrate(months=[LAST], **ARGUMENTS)
    answers = []
    thread = threading.Thread(target=_search, args=(usage, answers))

    def step(name):
        if name == "rollback last call":
            thread.start()
            while not _running(usage):
                pass
        elif name == "rolled back":
            raise Killed

    with pytest.raises(Killed):
        usage.service.rollback(["view"], [LAST], step=step)
    if then == "rollback":
        (done,) = usage.service.rollback(["view"], [LAST])
        assert done.error is None
    else:
        assert usage.migrate(months=[LAST], **ARGUMENTS)["completed"]
    thread.join()
    (answer,) = answers
    assert answer["hits"]["total"]["value"] == EVENTS * len(MONTHS), answer


def _running(usage):
    answer = usage.client.tasks.list(
        params={"actions": "indices:data/read/search", "detailed": "true"}
    )
    return any(
        usage.names.prefix in task.get("description", "")
        for node in answer["nodes"].values()
        for task in node["tasks"].values()
    )
