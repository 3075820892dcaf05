# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test who may read which statistics, and which responses a cache may store."""

import pytest
from babel import Locale
from invenio_cache import current_cache

from invenio_stats_dashboard.permissions import StatsDashboardPermissionPolicy
from invenio_stats_dashboard.queries.labels import _cache_key
from invenio_stats_dashboard.reports.top_records import TopRecordsReader

from ..helpers import content
from ..helpers.commands import run
from ..helpers.counted_site import DAYS, TODAY, new_service

WHO = ("anyone", "stranger", "member", "owner", "admin")
MAY = {
    "open": WHO,
    "closed": ("member", "owner", "admin"),
    "gone": ("admin",),
    "nowhere": (),
}
PARTS = ("", "/records", "/counter?month=2024-01")


def path_of(site, community, by="slugs"):
    """Return the path of a community that may not exist."""
    name = getattr(site, by).get(community, f"no-{community}")
    return f"/stats-dashboard/communities/{name}"


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("community", MAY)
@pytest.mark.parametrize("who", WHO)
def test_only_who_can_read_the_community_gets_its_numbers(who, community, part, site):
    http = site.as_(who)
    http.get("/stats-dashboard/global")  # whose answer has the cookie of the session
    for by in ("slugs", "communities"):
        answer = http.get(path_of(site, community, by) + part)
        if who in MAY[community]:
            assert answer.status_code == 200, answer.data
            continue
        # looks like one that does not exist
        unknown = http.get("/stats-dashboard/communities/never-was" + part)
        assert answer.status_code == unknown.status_code == 404
        assert answer.data == unknown.data
        assert dict(answer.headers) == dict(unknown.headers)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("foo=1", 400),
        # these parameters contradict each other, which is found after the permission
        ("metrics=viewed_records&range=12mo", 404),
        ("range=all&to=2024-01-01", 404),
    ],
)
def test_wrong_parameters_do_not_show_that_a_community_exists(
    query, status, site, anyone
):
    assert anyone.get(f"{path_of(site, 'open')}?{query}").status_code == 400
    closed = anyone.get(f"{path_of(site, 'closed')}?{query}")
    unknown = anyone.get(f"/stats-dashboard/communities/never-was?{query}")
    assert closed.status_code == unknown.status_code == status
    assert closed.data == unknown.data


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("who", ["anyone", "stranger"])
def test_files_are_kept_from_the_same_people(who, form, site):
    answer = site.as_(who).get(f"{path_of(site, 'closed')}?format={form}")
    assert answer.status_code == 404 and answer.content_type == "application/json"


@pytest.mark.parametrize("part", PARTS)
def test_the_global_numbers_are_public_unless_a_site_says_otherwise(
    part, site, monkeypatch
):
    path = f"/stats-dashboard/global{part}"
    assert site.as_("anyone").get(path).status_code == 200

    class Policy(StatsDashboardPermissionPolicy):
        can_read_global_stats = []

    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_PERMISSION_POLICY", Policy)
    answer = site.as_("owner").get(path)
    assert answer.status_code == 403
    assert answer.json == {
        "status": 403,
        "message": "You may not read the statistics of the whole instance.",
    }
    assert site.as_("admin").get(path).status_code == 200


@pytest.mark.parametrize(
    ("community", "who", "scope"),
    [
        ("open", "anyone", "public"),
        ("open", "owner", "private"),
        ("closed", "owner", "private"),
        ("gone", "admin", "private"),
    ],
)
@pytest.mark.parametrize("form", ["json", "csv", "xlsx"])
def test_only_what_everybody_may_read_is_kept_by_shared_caches(
    form, community, who, scope, site
):
    answer = site.as_(who).get(f"{path_of(site, community)}?format={form}")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == f"{scope}, max-age=300"


def test_a_cache_knows_what_an_answer_depends_on(site, anyone):
    def vary(query):
        answer = anyone.get(f"{path_of(site, 'open')}{query}")
        return set(answer.headers["Vary"].split(", "))

    assert vary("?lang=en") == {"Accept", "Accept-Encoding"}
    assert vary("") == {"Accept", "Accept-Encoding", "Accept-Language", "Cookie"}


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/global/records", f"/global/counter?month={DAYS[0][:7]}"]
)
def test_no_cache_gives_a_compressed_answer_to_who_does_not_accept_it(path, anyone):
    for headers in ({}, {"Accept-Encoding": "gzip"}):
        answer = anyone.get(f"/stats-dashboard{path}", headers=headers)
        assert answer.status_code == 200
        assert "Accept-Encoding" in answer.headers.get("Vary", "")


def test_no_cache_keeps_a_refusal(site, monkeypatch):
    def refused(path):
        answer = site.as_("anyone").get(path)
        return answer.status_code, answer.headers.get("Cache-Control")

    for community in ("closed", "nowhere"):
        assert refused(path_of(site, community)) == (404, "no-store")

    class Policy(StatsDashboardPermissionPolicy):
        can_read_global_stats = []

    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_PERMISSION_POLICY", Policy)
    assert refused("/stats-dashboard/global") == (403, "no-store")


def test_a_community_that_was_restricted_since_is_private_at_once(site):
    with site.app.app_context():
        community = content.make_community()
        slug = content.slug_of(community)
    path, anyone = f"/stats-dashboard/communities/{slug}", site.as_("anyone")
    tag = anyone.get(path).headers["ETag"]
    with site.app.app_context():
        content.restrict_community(community)
    answer = anyone.get(path, headers={"If-None-Match": tag})
    assert answer.status_code == 404, "a tag tells that the community is there"


@pytest.mark.parametrize("form", ["json", "csv", "xlsx"])
def test_nothing_is_sent_again_while_nothing_has_changed(form, site, anyone):
    path = f"{path_of(site, 'open')}?format={form}&range=90d"
    first = anyone.get(path)
    again = anyone.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304 and again.data == b""
    for header in ("ETag", "Cache-Control", "Vary"):
        assert again.headers[header] == first.headers[header]
    other = anyone.get(
        f"{path}&metrics=views", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert other.status_code == 200 and other.headers["ETag"] != first.headers["ETag"]


def test_nothing_but_the_version_is_read_for_an_answer_that_is_there(
    site, anyone, monkeypatch
):
    path = f"{path_of(site, 'open')}?breakdown=subjects"
    tag = anyone.get(path).headers["ETag"]
    extension = site.app.extensions["invenio-stats-dashboard"]
    monkeypatch.delattr(extension.community_stats_service.readers, "series")
    assert anyone.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_an_aggregation_changes_the_tag(site, anyone, client, names):
    before = anyone.get(path_of(site, "open")).headers["ETag"]
    assert run(site.app, "aggregate").exit_code == 0
    client.indices.refresh(index=names.bookmarks)
    assert anyone.get(path_of(site, "open")).headers["ETag"] != before


def test_the_counting_of_robots_changes_the_tags(site, anyone, monkeypatch):
    texts = {
        f"{path_of(site, 'open')}?range=90d": "counting of known robots has changed",
        f"{path_of(site, 'open')}/counter?month={TODAY:%Y-%m}": "are not excluded where",
    }
    before = {path: anyone.get(path) for path in texts}
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_COUNT_ROBOTS", True)
    new_service(site.app, monkeypatch)
    for path, text in texts.items():
        assert text not in before[path].text
        tag = before[path].headers["ETag"]
        answer = anyone.get(path, headers={"If-None-Match": tag})
        assert answer.status_code == 200 and text in answer.text


def test_titles_depend_on_the_caller_so_records_are_never_shared(site, anyone):
    answer = anyone.get(f"{path_of(site, 'open')}/records")
    assert answer.headers["Cache-Control"].startswith("private")
    # but answered with 304
    again = anyone.get(
        f"{path_of(site, 'open')}/records",
        headers={"If-None-Match": answer.headers["ETag"]},
    )
    assert (again.status_code, again.data) == (304, b"")
    owner = site.as_("owner").get(
        f"{path_of(site, 'closed')}/records",
        headers={"If-None-Match": answer.headers["ETag"]},
    )
    assert owner.status_code == 200


def test_the_most_used_records_are_counted_once_for_everybody(
    site, anyone, monkeypatch
):
    path = f"{path_of(site, 'open')}/records?range=90d&size=7"
    first = anyone.get(path).json
    assert first["records"]
    with monkeypatch.context() as patch:
        patch.delattr(TopRecordsReader, "read")
        assert anyone.get(path).json == first
        assert site.as_("owner").get(path).json["total"] == first["total"]
    with monkeypatch.context() as patch:
        patch.setitem(site.app.config, "STATS_DASHBOARD_CACHE_SECONDS", 0)
        patch.delattr(TopRecordsReader, "read")
        with pytest.raises(AttributeError):
            anyone.get(path)


def test_lists_of_all_sizes_are_counted_once(site, anyone, monkeypatch):
    path = f"{path_of(site, 'open')}/records?range=89d"
    longest = anyone.get(f"{path}&size=100").json
    assert len(longest["records"]) > 2
    monkeypatch.delattr(TopRecordsReader, "read")
    for size in (1, 2, 99):
        answer = anyone.get(f"{path}&size={size}").json
        assert answer["records"] == longest["records"][:size]
        assert answer["total"] == longest["total"]


def test_a_short_list_is_as_long_as_it_was_asked_for(site, anyone):
    path = f"{path_of(site, 'open')}/records?range=88d&size=2"
    first, again = anyone.get(path).json, anyone.get(path).json
    assert len(first["records"]) == 2 and again == first


def test_nobody_fills_the_cache_with_values_of_filters(site, anyone):
    def is_cached(id):
        with site.app.app_context():
            return current_cache.get(_cache_key("languages", id, Locale("en")))

    with site.app.app_context():
        current_cache.clear()
    for id in ("invented", "dan", "eng"):
        path = f"{path_of(site, 'open')}?lang=en&metrics=views&filter=languages:{id}"
        for form in ("json", "csv", "xlsx"):
            assert anyone.get(f"{path}&format={form}").status_code == 200
        if id == "invented":
            assert anyone.get(path).json["filter"]["label"] == id
    assert not is_cached("invented")
    assert is_cached("dan") == "Danish" and is_cached("eng") == "English"


def test_who_is_not_logged_in_gets_reports_of_so_many_events_only(
    site, anyone, monkeypatch
):
    path = f"{path_of(site, 'open')}/counter?month={DAYS[0][:7]}"
    assert anyone.get(path).status_code == 200
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_COUNTER_EVENTS_GUEST", 0)
    refused = anyone.get(path)
    assert refused.status_code == 400
    (error,) = refused.json["errors"]
    assert error["field"] == "month"
    assert "for users who are not logged in. Ask the operators" in error["messages"][0]
    assert site.as_("owner").get(path).status_code == 200
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_COUNTER_EVENTS_USER", 0)
    refused = site.as_("owner").get(path).json["errors"][0]["messages"][0]
    assert "logged in" not in refused and "counter-report" in refused


@pytest.mark.parametrize("path", ["", "/records", "/counter"])
def test_nothing_can_be_changed_by_it(path, site, anyone):
    assert anyone.post(path_of(site, "open") + path).status_code == 405
