# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the commands for community events."""

import pytest

from tests.helpers import content
from tests.helpers.commands import run
from tests.helpers.statistics import community_events

GENERATE = ("generate-community-events", "community-events generate")


@pytest.mark.parametrize("command", GENERATE)
def test_both_names_do_the_same(command, fresh, client, names):
    content.make_record()
    done = run(fresh, *command.split())
    assert done.exit_code == 0
    assert "Compared 1 records" in done.out and "complete" in done.out
    assert len(community_events(client, names)) == 1


def test_json_is_one_document_and_nothing_else(fresh):
    content.make_record()
    report = run(fresh, "generate-community-events", "--json").document
    assert (report["records"], report["events"], report["facts"]) == (1, 1, 1)
    assert report["complete"] and not report["refused"]
    status = run(fresh, "community-events", "status", "--json").document
    assert status["backfill"]["complete"] and status["drift"] == 0


def test_a_dry_run_says_what_would_be_written(fresh, client, names):
    content.make_record()
    done = run(fresh, "generate-community-events", "--dry-run")
    assert "1 events and 1 record facts would be written" in done.out
    assert community_events(client, names) == []


def test_status_says_what_to_do_next(fresh):
    content.make_record()
    before = run(fresh, "community-events", "status").out
    assert "not run yet" in before and "generate-community-events" in before
    run(fresh, "generate-community-events")
    assert "complete since" in run(fresh, "community-events", "status").out


def test_status_says_what_the_last_reconciliation_repaired(fresh):
    one, two, community = (
        *(content.make_record() for _ in "12"),
        content.make_community(),
    )
    run(fresh, "generate-community-events")
    assert "Reconciliation: none yet" in run(fresh, "community-events", "status").out
    content.make_record()
    content.include(one, community)
    content.include_in_bulk([two], community)
    summary = "3 events (1 accepted, 1 bulk, 1 publish)"
    dry = run(fresh, "community-events", "reconcile", "--dry-run").out
    assert summary in dry and "would be written" in dry
    assert summary in run(fresh, "community-events", "reconcile").out
    status = run(fresh, "community-events", "status")
    assert f"3 records compared, {summary}" in status.out
    assert "Drift: none" in status.out
    again = run(fresh, "community-events", "reconcile", "--changed-only", "--json")
    assert (again.document["events"], again.document["causes"]) == (0, {})
    last = run(fresh, "community-events", "status", "--json").document["reconciliation"]
    assert (last["events"], last["causes"]) == (0, {})
    assert last["repaired"] == {"accepted": 1, "bulk": 1, "publish": 1}
    assert last["swept_at"] == last["repaired_at"] <= last["looked_at"]
    human = run(fresh, "community-events", "status").out
    assert "nothing was missing; all records compared" in human
    assert f"Last repair: {last['repaired_at']} UTC" in human


def test_status_shows_the_requested_communities(fresh):
    community = content.make_community()
    content.make_record(communities=[community])
    run(fresh, "generate-community-events")
    slug = content.slug_of(community)
    assert slug in run(fresh, "community-events", "status", "--community", slug).out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--community", "nowhere"], "There is no community 'nowhere'"),
        (["--record", "nothing"], "There is no published record 'nothing'"),
        (["--start-date", "2024-13-01"], "'2024-13-01' is not a date"),
        (["--end-date", "soon"], "'soon' is not a date"),
        (
            ["--start-date", "2024-02-01", "--end-date", "2024-01-31"],
            "2024-02-01 is after the end date 2024-01-31",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    arguments, sentence, fresh, client, names
):
    content.make_record()
    done = run(fresh, "generate-community-events", *arguments)
    assert done.exit_code == 2
    assert sentence in done.err and len(done.err.splitlines()) == 1
    assert client.indices.get(index=f"{names.prefix}stats-*") == {}


def test_a_draft_is_no_record(fresh):
    draft = content.make_draft()
    done = run(fresh, "generate-community-events", "--record", draft)
    assert done.exit_code == 2 and "no published record" in done.err


@pytest.mark.parametrize(
    "command",
    ["generate-community-events", "community-events status"],
)
def test_a_cluster_that_is_away_is_one_sentence(command, fresh, monkeypatch):
    monkeypatch.setitem(fresh.config, "SEARCH_HOSTS", ["localhost:1"])
    done = run(fresh, *command.split())
    assert done.exit_code == 3
    assert done.err.startswith("Error: ") and len(done.err.splitlines()) == 1


def test_a_database_that_is_away_is_one_sentence(fresh, monkeypatch):
    import sqlalchemy as sa
    from invenio_db import db

    away = sa.create_engine("postgresql+psycopg2://nobody@localhost:1/nothing")
    monkeypatch.setitem(db.engines, None, away)
    done = run(fresh, "generate-community-events")
    assert done.exit_code == 3
    assert "The database did not answer" in done.err
    assert len(done.err.splitlines()) == 1
