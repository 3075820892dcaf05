# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Answers to the public contain no metadata of hidden records, in any format."""

import pytest
from flask import Flask

from invenio_stats_dashboard.ext import warn_of_hidden_records

QUERY = "range=all&metrics=records&breakdown=resource_types&top=1000"
VALUE = "publication-article"


def _series(answer):
    return {
        series["id"]: series["label"]
        for series in answer.json["series"]
        if series.get("breakdown")
    }


def test_a_hidden_record_counts_under_one_id_for_the_public(site, anyone):
    found = _series(anyone.get(f"/stats-dashboard/global?{QUERY}"))
    assert found["_hidden"] == "Restricted records"
    assert VALUE in found  # of public records


def test_members_of_a_restricted_community_see_its_values(site):
    path = f"/stats-dashboard/communities/{site.slugs['closed']}?{QUERY}"
    assert set(_series(site.as_("member").get(path))) == {VALUE}


@pytest.mark.parametrize("breakdown", ["languages", "file_types", "access_statuses"])
def test_every_breakdown_of_record_metadata_has_the_id(anyone, breakdown):
    query = QUERY.replace("resource_types", breakdown)
    assert "_hidden" in _series(anyone.get(f"/stats-dashboard/global?{query}"))


def test_files_name_the_hidden_records(anyone):
    answer = anyone.get(f"/stats-dashboard/global?{QUERY}&format=csv")
    assert "Restricted records" in answer.data.decode("utf-8-sig")


def test_the_setting_that_shows_hidden_records_warns_at_start(caplog):
    app = Flask("test")
    app.config["STATS_DASHBOARD_SHOW_HIDDEN_RECORDS"] = False
    warn_of_hidden_records(app)
    assert not caplog.text
    app.config["STATS_DASHBOARD_SHOW_HIDDEN_RECORDS"] = True
    warn_of_hidden_records(app)
    assert "STATS_DASHBOARD_SHOW_HIDDEN_RECORDS is True" in caplog.text
