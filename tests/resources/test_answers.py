# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""JSON responses contain the numbers of the reference, with their definitions."""

from datetime import timedelta

import pytest

from invenio_stats_dashboard.queries.metrics import DISTINCT, METRICS
from invenio_stats_dashboard.resources.serializers.json import change
from invenio_stats_dashboard.search.names import BASES

from ..helpers.counted_site import HOSTILE, TODAY
from .numbers import cells, days_of, total


def get(http, path, **query):
    """Return the answer to a question that can be answered."""
    answer = http.get(f"/stats-dashboard/{path}", query_string=query)
    assert answer.status_code == 200, answer.data
    assert answer.content_type == "application/json"
    return answer.json


@pytest.fixture()
def community(site):
    """Return path and id of the open community."""
    return f"communities/{site.slugs['open']}", site.communities["open"]


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("whose", ["community", "global"])
def test_every_metric_has_the_numbers_of_the_reference(
    whose, basis, site, anyone, community
):
    path, id_ = community if whose == "community" else ("global", "global")
    found = get(anyone, path, metrics="all", range="30d", basis=basis)
    assert len(found["series"]) == len(METRICS) and len(found["buckets"]) == 30
    for series in found["series"]:
        assert series["breakdown"] is series["id"] is None
        wanted = [
            total(site, id_, series["metric"], b["start"], b["end"], basis)
            for b in found["buckets"]
        ]
        assert series["values"] == wanted, series["metric"]
    first, last = found["from"], found["to"]
    for key, value in found["totals"].items():
        if METRICS[key].kind != DISTINCT:
            assert value == total(site, id_, key, first, last, basis), key


@pytest.mark.parametrize("interval", ["week", "month", "quarter", "year"])
def test_longer_intervals_add_up(interval, site, anyone, community):
    path, id_ = community
    found = get(anyone, path, range="5y", interval=interval, metrics="views,records")
    days = [d for b in found["buckets"] for d in days_of(b["start"], b["end"])]
    assert days == days_of(found["from"], found["to"])
    for series in found["series"]:
        for bucket, value in zip(found["buckets"], series["values"], strict=True):
            wanted = total(site, id_, series["metric"], bucket["start"], bucket["end"])
            assert value == wanted
    assert found["totals"]["views"] > 0


@pytest.mark.parametrize("breakdown", ["subjects", "countries", "resource_types"])
def test_a_breakdown_has_the_cells_of_the_reference(breakdown, site, anyone, community):
    path, id_ = community
    found = get(anyone, path, breakdown=breakdown, range="5y", top=1000)
    for metric in ("views", "downloads"):
        wanted = cells(site, id_, metric, breakdown, found["from"], found["to"])
        values = {
            s["id"]: s["total"]
            for s in found["series"]
            if s["breakdown"] == breakdown and s["metric"] == metric and s["total"]
        }
        assert values == wanted and wanted
    about = found["breakdowns"][breakdown]
    assert about["listed"] == about["values"] >= len(wanted)
    assert about["label"]


def test_other_is_the_sum_of_values_not_listed(site, anyone, community):
    path, _ = community
    query = {"breakdown": "subjects", "range": "30d", "metrics": "views"}
    whole = get(anyone, path, **query, top=1000)
    some = get(anyone, path, **query, top=2, other="true")
    ids = [s["id"] for s in some["series"] if s["breakdown"]]
    assert ids[-1] == "_other" and len(ids) == 3
    assert some["series"][-1]["label"] == "Others"
    assert some["breakdowns"]["subjects"]["listed"] == 2
    every = sum(s["total"] for s in whole["series"] if s["breakdown"])
    assert sum(s["total"] for s in some["series"] if s["breakdown"]) == every


def test_a_filter_counts_one_cell_alone(site, anyone, community):
    path, id_ = community
    found = get(anyone, path, filter="countries:CA", range="90d")
    assert found["filter"] == {"breakdown": "countries", "id": "CA", "label": "Canada"}
    wanted = cells(site, id_, "views", "countries", found["from"], found["to"])["CA"]
    assert found["totals"]["views"] == wanted
    nobody = get(anyone, path, filter="subjects:nobody \x00 has this", range="90d")
    assert nobody["totals"] == {"views": 0, "downloads": 0}


def test_a_comparison_has_the_range_before_and_the_change(site, anyone, community):
    path, id_ = community
    found = get(anyone, path, compare="previous", range="30d")
    compared = found["comparison"]
    assert compared["to"] == (TODAY - timedelta(days=30)).isoformat()
    assert compared["from"] == (TODAY - timedelta(days=59)).isoformat()
    now = total(site, id_, "views", found["from"], found["to"])
    before = total(site, id_, "views", compared["from"], compared["to"])
    assert compared["totals"]["views"] == before
    assert compared["change"]["views"] == pytest.approx((now - before) / before)
    assert get(anyone, path)["comparison"] is None


@pytest.mark.parametrize(
    ("now", "before", "wanted"),
    [(3, 2, 0.5), (1, 2, -0.5), (0, 4, -1.0), (5, 0, None), (None, 2, None)],
)
def test_change_is_a_ratio_where_there_is_one(now, before, wanted):
    assert change(now, before) == wanted


def test_an_answer_explains_itself(site, anyone, community):
    path, id_ = community
    found = get(anyone, path, range="5y")
    assert found["community"] == {
        "id": id_,
        "slug": site.slugs["open"],
        "title": found["community"]["title"],
    }
    assert get(anyone, "global")["community"] == {"id": "global"}
    assert found["metrics"]["views"] == {
        "label": "Views",
        "unit": "count",
        "kind": "flow",
        "definition": (
            "Views of record pages by humans and machines. Known robots are not counted."
        ),
    }
    days = [d for c, d in site.wanted["usage-delta"] if c == id_]
    assert found["bounds"] == {"first": min(days), "last": max(days)}
    assert found["data_as_of"].startswith(TODAY.isoformat()[:4])
    assert found["late"] is None and found["corrections"] == []
    site_url = site.app.config["SITE_API_URL"]
    assert found["links"]["self"] == f"{site_url}/stats-dashboard/{path}?range=5y"
    assert found["links"]["csv"].endswith("?range=5y&format=csv")


def test_the_range_of_all_begins_with_the_first_numbers(site, anyone, community):
    path, _ = community
    found = get(anyone, path, range="all")
    assert found["from"] == found["bounds"]["first"]


def test_a_community_whose_slug_is_global_is_not_the_instance(site, anyone):
    by_slug = get(anyone, "communities/global", range="5y")
    assert by_slug["community"]["id"] == site.communities["global"]
    assert by_slug == get(
        anyone, f"communities/{site.communities['global']}", range="5y"
    ) | {"links": by_slug["links"]}
    assert get(anyone, "global", range="5y")["totals"] != by_slug["totals"]


def test_labels_are_in_the_language_that_is_asked_for(site, anyone, monkeypatch):
    monkeypatch.setitem(site.app.config, "I18N_LANGUAGES", [("de", "Deutsch")])
    monkeypatch.setattr(site.app.extensions["invenio-i18n"], "_languages_cache", None)
    query = {"breakdown": "countries", "range": "90d"}

    def label(**more):
        answer = anyone.get(
            "/stats-dashboard/global",
            query_string={**query, **more.pop("query", {})},
            **more,
        )
        return {s["id"]: s["label"] for s in answer.json["series"]}["DE"]

    assert label(query={"lang": "de"}) == "Deutschland"
    assert label(headers={"Accept-Language": "de"}) == "Deutschland"
    assert label(headers={"Accept-Language": "de"}, query={"lang": "en"}) == "Germany"
    assert label(headers={"Accept-Language": "fr"}) == "Germany"
    monkeypatch.undo()
    site.app.extensions["invenio-i18n"]._languages_cache = None


def test_what_people_have_written_comes_as_it_is(site, anyone, community):
    path, _ = community
    found = get(anyone, path, breakdown="subjects", range="5y", top=1000)
    ids = {s["id"] for s in found["series"] if s["breakdown"]}
    assert ids >= set(HOSTILE)
    assert all(s["label"] == s["id"] for s in found["series"] if s["id"] in HOSTILE)
