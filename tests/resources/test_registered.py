# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""``POST /api/stats`` returns the stored documents to those who may read them."""

from datetime import date, timedelta

import pytest

from invenio_stats_dashboard.resources.stats_queries import CommunityStatsQuery, queries
from invenio_stats_dashboard.search.names import FAMILIES

from ..helpers.commands import run
from ..helpers.counted_site import DAYS, TODAY, new_service

ONE_FAMILY = {
    name: entry["params"]["families"][0]
    for name, entry in queries().items()
    if len(entry["params"]["families"]) == 1
}


def ask(http, stat, **params):
    """Return the answer to a batch of one query."""
    return http.post("/stats", json={"mine": {"stat": stat, "params": params}})


def days(first, last):
    """Return the days of a range."""
    return [
        (first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)
    ]


@pytest.mark.parametrize("stat", ONE_FAMILY)
@pytest.mark.parametrize("community", ["open", "global"])
def test_a_query_gives_what_the_reference_counts(stat, community, site, anyone):
    first = TODAY - timedelta(days=41)
    name = site.slugs["open"] if community == "open" else "global"
    answer = ask(anyone, stat, community_id=name, start_date=first.isoformat())
    assert answer.status_code == 200, answer.json
    found = answer.json["mine"]
    id_ = site.communities["open"] if community == "open" else "global"
    assert (found["community_id"], found["start_date"]) == (id_, first.isoformat())
    assert found["end_date"] == TODAY.isoformat() and found["data_as_of"]
    field = "snapshot_date" if "snapshot" in stat else "period_start"
    assert [d[field] for d in found["documents"]] == days(first, TODAY)
    wanted = site.wanted[ONE_FAMILY[stat]]
    compared = 0
    for document in found["documents"]:
        if expected := wanted.get((id_, document[field])):
            document.pop("updated_timestamp")
            cells = document.pop("subcounts")
            for key, values in expected["subcounts"].items():
                assert cells[key] == values
            assert document == {k: v for k, v in expected.items() if k != "subcounts"}
            compared += 1
    assert compared or "published" in stat


def test_all_families_at_once_are_the_same_as_each_by_itself(site, anyone):
    range_ = {"start_date": DAYS[5], "end_date": DAYS[6]}
    all_ = ask(anyone, "community-stats", community_id=site.slugs["open"], **range_)
    assert list(all_.json["mine"]["documents"]) == sorted(FAMILIES)
    for stat, family in ONE_FAMILY.items():
        one = ask(anyone, stat, community_id=site.slugs["open"], **range_)
        assert one.json["mine"]["documents"] == all_.json["mine"]["documents"][family]
    whole = ask(anyone, "global-stats", **range_).json["mine"]
    named = ask(anyone, "community-stats", community_id="global", **range_).json["mine"]
    assert whole == named and whole["community_id"] == "global"


def test_the_command_reads_the_same(site, anyone):
    found = ask(anyone, "community-usage-delta", community_id=site.slugs["open"])
    done = run(
        site.app,
        "read",
        *("--community", site.slugs["open"], "--family", "usage-delta", "--json"),
    )
    document = done.document
    del document["family"]
    assert document == found.json["mine"]


def test_a_community_whose_slug_is_global_is_named_by_its_id(site, anyone):
    id_ = site.communities["global"]
    found = ask(anyone, "community-usage-delta", community_id=id_).json["mine"]
    assert found["community_id"] == id_
    whole = ask(anyone, "community-usage-delta", community_id="global").json["mine"]
    assert whole["community_id"] == "global" and whole != found


@pytest.mark.parametrize("who", ["anyone", "stranger", "member", "owner", "admin"])
@pytest.mark.parametrize("community", ["open", "closed", "gone", "nowhere"])
def test_only_who_may_read_the_community_gets_its_documents(who, community, site):
    may = {"open": True, "closed": who in ("member", "owner", "admin")}
    name = site.slugs.get(community, "nowhere")
    answer = ask(site.as_(who), "community-stats", community_id=name)
    if may.get(community, who == "admin" and community == "gone"):
        assert answer.status_code == 200
        return
    unknown = ask(site.as_(who), "community-stats", community_id="not-there")
    assert answer.status_code == unknown.status_code == 404
    assert answer.data == unknown.data


def test_the_global_numbers_can_be_kept_from_the_public(site, monkeypatch):
    from invenio_stats_dashboard.permissions import StatsDashboardPermissionPolicy

    class Policy(StatsDashboardPermissionPolicy):
        can_read_global_stats = []

    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_PERMISSION_POLICY", Policy)
    answer = ask(site.as_("owner"), "global-stats")
    assert answer.status_code == 403 and "whole instance" in answer.json["message"]
    assert ask(site.as_("admin"), "global-stats").status_code == 200


def test_a_batch_with_a_refused_query_says_which(site, anyone):
    batch = {
        "first": {"stat": "global-stats"},
        "second": {
            "stat": "community-usage-delta",
            "params": {"community_id": site.slugs["closed"]},
        },
        "third": {
            "stat": "community-usage-delta",
            "params": {"community_id": site.slugs["open"]},
        },
    }
    answer = anyone.post("/stats", json=batch)
    assert answer.status_code == 404
    assert "'second' (community-usage-delta)" in answer.json["message"]
    del batch["second"]
    assert set(anyone.post("/stats", json=batch).json) == {"first", "third"}


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "community_id is missing"),
        ({"community_id": None}, "community_id is missing"),
        ({"community_id": 7}, "community_id must be a string"),
        ({"community_id": "global", "limit": 1}, "no parameter 'limit'. Available"),
        ({"community_id": "global", "start_date": "soon"}, "'soon' is not a date"),
        ({"community_id": "global", "end_date": "20240101"}, "is not a date"),
        ({"community_id": "global", "end_date": "1500-01-01"}, "day is 1900-01-01"),
        ({"community_id": "global", "start_date": "9999-01-01"}, "which is today"),
        (
            {
                "community_id": "global",
                "start_date": "2024-01-02",
                "end_date": "2024-01-01",
            },
            "it begins on 2024-01-02 and ends on 2024-01-01",
        ),
        ({"community_id": "global", "start_date": "1900-01-01"}, "request is 500"),
        (["global"], "must be an object"),
        ("global", "must be an object"),
    ],
)
def test_wrong_parameters_are_one_sentence_that_names_the_query(
    params, sentence, anyone
):
    batch = {"mine": {"stat": "community-usage-delta", "params": params}}
    answer = anyone.post("/stats", json=batch)
    assert answer.status_code == 400, answer.json
    assert sentence in answer.json["message"]
    assert answer.json["message"].startswith("Query 'mine' (community-usage-delta): ")


def test_global_stats_takes_no_community(anyone):
    answer = ask(anyone, "global-stats", community_id="global")
    assert answer.status_code == 400 and "no parameter" in answer.json["message"]


def test_days_after_today_are_left_out(anyone):
    later = (TODAY + timedelta(days=9)).isoformat()
    found = ask(
        anyone,
        "community-usage-delta",
        community_id="global",
        start_date=DAYS[7],
        end_date=later,
    )
    assert found.json["mine"]["end_date"] == TODAY.isoformat()


def test_the_stock_queries_are_as_before_and_the_sites_own_entry_wins(app):
    from invenio_app_rdm.config import STATS_QUERIES

    from invenio_stats_dashboard.resources.stats_queries import register

    assert STATS_QUERIES.keys() < app.config["STATS_QUERIES"].keys()
    assert not STATS_QUERIES.keys() & queries().keys()
    for name, entry in STATS_QUERIES.items():
        assert app.config["STATS_QUERIES"][name] is entry

    class Bare:
        config = {"STATS_QUERIES": {"global-stats": "mine"}}

    given = Bare.config["STATS_QUERIES"]
    register(Bare)
    assert Bare.config["STATS_QUERIES"]["global-stats"] == "mine"
    assert given == {"global-stats": "mine"}, "the site's dict was changed"


def test_range_of_thirty_days_by_default(anyone):
    found = ask(anyone, "community-usage-delta", community_id="global").json["mine"]
    assert len(found["documents"]) == 30
    assert date.fromisoformat(found["end_date"]) == TODAY


def test_small_numbers_are_not_told(site, anyone, monkeypatch):
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_MIN_VISITORS", 1000)
    new_service(site.app, monkeypatch)
    for stat in ("community-usage-delta", "community-usage-snapshot"):
        found = ask(anyone, stat, community_id="global").json["mine"]["documents"][-1]
        cells = found["subcounts"]
        assert not cells["countries"] and cells["resource_types"]
        assert found["totals"]["view"]["total_events"] > 0


def test_the_command_shows_small_numbers_to_operators(site, monkeypatch):
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_MIN_VISITORS", 1000)
    new_service(site.app, monkeypatch)
    done = run(site.app, "read", "--family", "usage-delta", "--json")
    assert done.document["documents"][-1]["subcounts"]["countries"]


def test_a_batch_gives_no_more_documents_than_one_query_can(anyone, monkeypatch, site):
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_MAX_DOCUMENTS", 70)

    def batch(number, **more):
        query = {"stat": "community-usage-delta", "params": {"community_id": "global"}}
        queries = {f"q{n}": query for n in range(number)}
        return anyone.post("/stats", json={**queries, **more})

    assert batch(2).status_code == 200
    assert batch(2).status_code == 200, "what other requests asked for is counted"
    refused = batch(3)
    assert refused.status_code == 400
    assert (
        "'q2'" in refused.json["message"] and "90 documents" in refused.json["message"]
    )
    # of several families
    days = {"start_date": DAYS[7], "end_date": DAYS[7]}
    assert batch(1, all={"stat": "global-stats", "params": days}).status_code == 200
    assert batch(2, all={"stat": "global-stats"}).status_code == 400


def test_a_batch_returns_no_more_values_than_the_site_allows(site, monkeypatch):
    anyone = site.as_("owner")

    def batch(*names):
        params = {"start_date": DAYS[5], "end_date": DAYS[6]}
        of_community = {"community_id": "global", **params}
        queries = {n: {"stat": n, "params": of_community} for n in names}
        return anyone.post("/stats", json=queries)

    one, other = "community-record-snapshot-created", "community-usage-snapshot"
    first = batch(one, other)
    assert first.status_code == 200, first.json
    answer = first.json
    number = 0
    for name in (one, other):
        for document in answer[name]["documents"]:
            for values in document["subcounts"].values():
                lists = values.values() if isinstance(values, dict) else [values]
                number += sum(map(len, lists))
    limit = "STATS_DASHBOARD_MAX_DOCUMENT_VALUES"
    monkeypatch.setitem(site.app.config, limit, number)
    assert batch(one, other).status_code == 200
    monkeypatch.setitem(site.app.config, limit, number - 1)
    refused = batch(one, other)
    assert refused.status_code == 400
    assert refused.json["message"].startswith(
        f"Query '{other}' ({other}): The documents of the request have more than "
        f"{number - 1} values of breakdowns. Use a shorter range"
    )
    assert batch(one).status_code == 200


def test_a_batch_has_no_more_queries_than_the_site_allows(site, monkeypatch):
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_MAX_QUERIES", 3)
    ours = {
        "stat": "community-usage-delta",
        "params": {
            "community_id": "global",
            "start_date": DAYS[7],
            "end_date": DAYS[7],
        },
    }
    stock = {"stat": "record-view", "params": {"recid": "1"}}

    def batch(number, **more):
        queries = {f"q{n}": ours for n in range(number)} | more
        return site.as_("owner").post("/stats", json=queries)

    assert batch(3).status_code == 200
    # the site refuses its own query to everyone, after ours were run
    assert batch(3, stock=stock).status_code == 403, "a query of the site counts"
    monkeypatch.delattr(CommunityStatsQuery, "run")
    refused = batch(3, last={"stat": "global-stats"})
    assert refused.status_code == 400, "a query was run"
    assert refused.json["message"].startswith(
        "The request has 4 queries for statistics of communities or of the instance; "
        "the maximum is 3. Send several requests with fewer queries."
    )


@pytest.mark.parametrize("text", ["2026-W01-1", "2026-1-001", "\uff12026-01-01"])
def test_no_other_form_of_a_date_is_taken(text, anyone):
    answer = ask(
        anyone, "community-usage-delta", community_id="global", start_date=text
    )
    assert answer.status_code == 400 and "is not a date" in answer.json["message"]
