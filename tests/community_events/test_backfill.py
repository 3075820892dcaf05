# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The back-fill writes the events of changes made by InvenioRDM's own services."""

import pytest

from invenio_stats_dashboard.community_events.lookup import RecordLookup
from invenio_stats_dashboard.errors import NotReadyError
from tests.helpers import content
from tests.helpers.statistics import (
    community_events,
    documents,
    facts,
    history,
)


@pytest.fixture()
def generate(app, emptied):
    """Return the service's method that generates community events."""
    service = app.extensions["invenio-stats-dashboard"].community_stats_service
    return service.generate_record_community_events


def _in(client, names, app, recid, moment):
    """Return the communities of a record at a given time, as enrichment sees them."""
    subcounts = app.extensions["invenio-stats-dashboard"].subcounts
    context = RecordLookup(client, names, subcounts).get([recid])[recid]
    return context.timeline.communities_at(moment)


LATER = "2100-01-01T00:00:00"


def test_a_record_in_no_community_exists(generate, client, names):
    recid = content.make_record()
    generate()
    (event,) = community_events(client, names, recid)
    assert (event["recid"], event["community_id"]) == (recid, "global")
    assert (event["event_type"], event["cause"]) == ("added", "backfill")


def test_a_record_is_in_each_of_its_communities(generate, client, names, app):
    one, two = content.make_community(), content.make_community()
    recid = content.make_record(communities=[one])
    both = content.make_record(communities=[one, two])
    generate()
    assert _in(client, names, app, recid, LATER) == (one,)
    assert _in(client, names, app, both, LATER) == tuple(sorted([one, two]))
    evidence = {
        e["evidence"]
        for record in (recid, both)
        for e in community_events(client, names, record)
        if e["community_id"] != "global"
    }
    assert evidence == {"request"}


def test_an_accepted_submission_dates_the_addition(generate, community, client, names):
    recid = content.make_draft()
    content.accept(content.submit(recid, community))
    generate()
    event = next(
        e
        for e in community_events(client, names, recid)
        if e["community_id"] == community
    )
    assert event["evidence"] == "request"
    assert event["event_date"] >= event["record_created_date"]


def test_a_request_that_is_not_accepted_adds_nothing(
    generate, community, client, names
):
    recid, draft = content.make_record(), content.make_draft()
    content.request_inclusion(recid, community)
    content.submit(draft, community)
    generate()
    (event,) = community_events(client, names, recid)
    assert event["community_id"] == "global"
    assert community_events(client, names, draft) == []


def test_records_added_in_bulk_are_dated_by_their_creation(
    generate, community, client, names
):
    recid = content.make_record()
    content.include_in_bulk([recid], community)
    generate()
    event, _ = community_events(client, names, recid)
    assert (event["community_id"], event["evidence"]) == (community, "created")
    assert event["event_date"] == event["record_created_date"]


def test_a_removed_record_was_included_until_its_parent_changed(
    generate, community, client, names, app
):
    recid = content.make_record(communities=[community])
    content.remove(recid, community)
    generate()
    added, removed, _ = community_events(client, names, recid)
    assert (added["evidence"], removed["evidence"]) == ("request", "parent")
    assert (added["event_type"], removed["event_type"]) == ("added", "removed")
    assert _in(client, names, app, recid, LATER) == ()


def test_a_moved_record_leaves_one_community_and_joins_the_other(
    generate, client, names, app
):
    one, two = content.make_community(), content.make_community()
    recid = content.make_record(communities=[one])
    content.remove_by_community(recid, one)
    content.include(recid, two)
    generate()
    assert history(client, names, recid, one) == ["added", "removed"]
    assert history(client, names, recid, two) == ["added"]
    assert _in(client, names, app, recid, LATER) == (two,)


def test_a_record_added_removed_and_added_again_has_two_stays(
    generate, community, client, names
):
    recid = content.make_record(communities=[community])
    content.remove(recid, community)
    content.include(recid, community)
    generate()
    events = [
        (e["event_type"], e["evidence"])
        for e in community_events(client, names, recid)
        if e["community_id"] == community
    ]
    assert events == [
        ("added", "request"),
        ("removed", "next-request"),
        ("added", "request"),
    ]


def test_a_change_after_the_back_fill_is_found_by_the_next_one(
    generate, community, client, names
):
    recid = content.make_record(communities=[community])
    generate()
    content.remove(recid, community)
    generate()
    content.include(recid, community)
    generate()
    expected = ["added", "removed", "added"]
    assert history(client, names, recid, community) == expected


def test_a_deleted_record_leaves_and_a_restored_record_returns(
    generate, community, client, names, app
):
    recid = content.make_record(communities=[community])
    content.delete_record(recid)
    generate()
    for community_id in (community, "global"):
        assert history(client, names, recid, community_id) == ["added", "removed"]
    assert facts(client, names)[recid]["is_deleted"]
    content.restore_record(recid)
    generate()
    for community_id in (community, "global"):
        assert history(client, names, recid, community_id)[-1] == "added"
    assert not facts(client, names)[recid]["is_deleted"]
    assert _in(client, names, app, recid, LATER) == (community,)


def test_a_deletion_that_was_undone_before_installation_is_a_gap(
    generate, community, client, names
):
    recid = content.make_record(communities=[community])
    # a record that is deleted and restored in the second of its creation was in it
    content.wait_for_the_next_second()
    content.delete_record(recid)
    content.restore_record(recid)
    generate()
    events = community_events(client, names, recid)
    kinds = [e["event_type"] for e in events if e["community_id"] == "global"]
    assert kinds == ["added", "removed", "added"]
    assert {e["evidence"] for e in events if e["place"] > 1} == {"history"}


def test_a_deleted_community_loses_its_records_until_it_is_restored(
    generate, client, names, app
):
    community = content.make_community()
    recid = content.make_record(communities=[community])
    content.delete_community(community)
    generate()
    removed = community_events(client, names, recid)[1]
    assert (removed["event_type"], removed["evidence"]) == ("removed", "tombstone")
    assert _in(client, names, app, recid, LATER) == ()
    content.restore_community(community)
    generate()
    expected = ["added", "removed", "added"]
    assert history(client, names, recid, community) == expected
    assert _in(client, names, app, recid, LATER) == (community,)


def test_each_version_has_a_timeline_of_its_own(generate, community, client, names):
    first = content.make_record(communities=[community])
    second = content.new_version(first)
    generate()
    for recid in (first, second):
        assert history(client, names, recid, community) == ["added"]
    later = community_events(client, names, second)[0]
    assert later["event_date"] == later["record_created_date"]
    assert later["evidence"] == "created"


def test_the_submission_of_a_later_version_is_not_a_second_stay(
    generate, community, client, names
):
    first = content.make_draft()
    content.accept(content.submit(first, community))
    content.new_version(first)
    generate()
    assert history(client, names, first, community) == ["added"]


def test_a_record_of_a_subcommunity_is_also_in_its_parent(generate, client, names):
    parent = content.make_community()
    child = content.make_community(parent=parent)
    recid = content.make_record(communities=[child])
    generate()
    dates = {
        e["community_id"]: (e["event_date"], e["evidence"])
        for e in community_events(client, names, recid)
    }
    assert dates[parent] == dates[child]
    assert dates[parent][1] == "request"


def test_a_draft_has_no_events(generate, client, names):
    recid = content.make_draft()
    generate()
    assert community_events(client, names, recid) == []


def test_facts_are_read_for_every_kind_of_record(generate, client, names):
    open_ = content.make_record(files={"a.CSV": b"12345", "b.pdf": b"1"})
    metadata_only = content.make_record()
    hidden = content.make_record(
        files={"c.txt": b"123"}, access={"files": "restricted"}
    )
    restricted = content.make_record(
        access={"record": "restricted", "files": "restricted"}
    )
    embargo = {"active": True, "until": "2099-01-01", "reason": None}
    embargoed = content.make_record(
        files={"d.txt": b"1"}, access={"files": "restricted", "embargo": embargo}
    )
    generate()
    found = facts(client, names)
    assert {
        recid: found[recid]["subcounts"]["access_statuses"]
        for recid in (open_, metadata_only, hidden, restricted, embargoed)
    } == {
        open_: ["open"],
        metadata_only: ["metadata-only"],
        hidden: ["restricted"],
        restricted: ["restricted"],
        embargoed: ["embargoed"],
    }
    assert found[open_]["file_types"] == ["csv", "pdf"]
    assert (found[open_]["file_count"], found[open_]["data_volume"]) == (2, 6)
    assert (found[hidden]["file_types"], found[hidden]["data_volume"]) == (["txt"], 3)
    assert found[metadata_only]["file_count"] == 0


def test_values_with_and_without_an_id_are_read(generate, client, names):
    owner = content.make_user()
    recid = content.make_record(
        owner,
        subjects=[{"id": "https://example.org/cats"}, {"subject": "dogs"}],
        creators=[
            {
                **content.METADATA["creators"][0],
                "affiliations": [{"id": "01ggx4157"}, {"name": "A garage"}],
            }
        ],
        contributors=[
            {
                **content.METADATA["creators"][0],
                "role": {"id": "datacurator"},
                "affiliations": [{"name": "A garage"}],
            }
        ],
        funding=[
            {"funder": {"id": "00k4n6c32"}},
            {
                "funder": {"name": "My aunt"},
                "award": {"title": {"en": "A gift"}, "number": "1"},
            },
        ],
        rights=[{"id": "cc-by-4.0"}, {"title": {"en": "My own licence"}}],
        languages=[{"id": "dan"}],
        custom={"journal:journal": {"title": "Annals of tests"}},
    )
    generate()
    stored = facts(client, names)[recid]
    assert stored["owner"] == str(owner.id)
    assert stored["published"] == "2024-05"
    found = stored["subcounts"]
    assert found["subjects"] == ["https://example.org/cats", "dogs"]
    assert found["affiliations"] == ["01ggx4157", "A garage"]
    assert found["funders"] == ["00k4n6c32", "My aunt"]
    assert found["rights"] == ["cc-by-4.0", "My own licence"]
    assert found["languages"] == ["dan"]
    assert found["periodicals"] == ["Annals of tests"]
    assert found["publishers"] == ["Tests"]
    assert found["resource_types"] == ["publication-article"]


def test_facts_follow_the_record(generate, client, names):
    recid = content.make_record()
    generate()
    content.edit(recid, publisher="Another press")
    report = generate()
    assert (report.facts, report.events) == (1, 0)
    assert facts(client, names)[recid]["subcounts"]["publishers"] == ["Another press"]


def test_a_second_run_writes_nothing(generate, fresh, client, names):
    community = content.make_community()
    recid = content.make_record(communities=[community], files={"a.txt": b"1"})
    content.remove(recid, community)
    content.delete_record(content.make_record(communities=[community]))
    first = generate()
    before = [
        documents(client, i) for i in (names.community_events, names.record_facts)
    ]
    second = generate()
    after = [documents(client, i) for i in (names.community_events, names.record_facts)]
    assert (first.records, first.events, first.facts) == (2, 7, 2)
    assert (second.events, second.facts, second.conflicts) == (0, 0, 0)
    assert second.skipped == second.records == 2
    assert before == after


def test_a_dry_run_writes_nothing_and_counts_what_is_missing(
    generate, fresh, client, names
):
    content.make_record(communities=[content.make_community()])
    report = generate(dry_run=True)
    assert (report.events, report.facts, report.complete) == (2, 1, False)
    assert client.indices.get(index=f"{names.prefix}stats-*") == {}
    done = generate()
    assert (done.events, done.facts) == (report.events, report.facts)


def test_only_the_requested_records_are_compared(generate, fresh, client, names):
    one, two = content.make_community(), content.make_community()
    first = content.make_record(communities=[one])
    second = content.make_record(communities=[two])
    third = content.make_record(communities=[two])
    content.remove(third, two)
    assert generate(recids=[first]).records == 1
    assert set(facts(client, names)) == {first}
    assert generate(community_ids=[content.slug_of(two)]).records == 2
    assert set(facts(client, names)) == {first, second, third}


def test_records_are_selected_by_the_day_of_their_creation(
    generate, fresh, client, names
):
    recid = content.make_record()
    generate(recids=[recid])
    day = facts(client, names)[recid]["created"][:10]
    assert generate(start_date=day, end_date=day).records == 1
    assert generate(start_date="2100-01-01").records == 0
    assert generate(end_date="2000-01-01").records == 0


def test_nothing_is_written_when_the_extension_is_disabled(
    generate, client, names, app, monkeypatch
):
    recid = content.make_record()
    monkeypatch.setitem(app.config, "COMMUNITY_STATS_ENABLED", False)
    with pytest.raises(NotReadyError, match="COMMUNITY_STATS_ENABLED is False"):
        generate()
    assert community_events(client, names, recid) == []
