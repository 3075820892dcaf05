# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""HEAD requests get the headers of a response, and nothing is counted for them."""

import tempfile

import pytest

from invenio_stats_dashboard.queries.series_reader import SeriesReader
from invenio_stats_dashboard.reports.counter.events import CountedEvents
from invenio_stats_dashboard.reports.top_records import TopRecordsReader

from ..helpers.counted_site import DAYS

COUNTING = {
    "?range=31d": (SeriesReader, "read"),
    "?range=31d&format=csv": (SeriesReader, "rows"),
    "?range=31d&format=xlsx": (SeriesReader, "rows"),
    "/records?range=31d": (TopRecordsReader, "read"),
    f"/counter?month={DAYS[0][:7]}": (CountedEvents, "number"),
}
"""Path below a community -> the method that counts its numbers."""

FORMATS = ("json", "csv", "xlsx")


@pytest.fixture()
def path(site):
    """Return the path of a community that everyone may read."""
    return f"/stats-dashboard/communities/{site.slugs['open']}"


@pytest.fixture()
def count(request, site, monkeypatch):
    """Return the list to which each count of the numbers of a path adds an item."""
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_CACHE_SECONDS", 0)
    cls, method = COUNTING[request.getfixturevalue("part")]
    counted, original = [], getattr(cls, method)

    def counting(self, *args, **options):
        counted.append(method)
        return original(self, *args, **options)

    monkeypatch.setattr(cls, method, counting)
    return counted


@pytest.mark.parametrize("part", COUNTING)
def test_nothing_is_counted_for_a_head_request(part, path, count, anyone):
    answer = anyone.head(f"{path}{part}")
    assert (answer.status_code, answer.data, count) == (200, b"", [])
    full = anyone.get(f"{path}{part}")
    assert full.status_code == 200 and count, "the wrong method was watched"
    wanted = {name: full.headers[name] for name, _ in answer.headers}
    assert dict(answer.headers) == wanted
    assert {"Content-Type", "Cache-Control", "Vary"} <= wanted.keys()
    assert "Content-Length" not in wanted, "the length is not known"


@pytest.mark.parametrize("form", FORMATS)
def test_a_head_request_shows_whether_the_response_has_changed(form, path, anyone):
    path = f"{path}?range=32d&format={form}"
    tag = anyone.head(path).headers["ETag"]
    assert anyone.get(path).headers["ETag"] == tag
    again = anyone.head(path, headers={"If-None-Match": tag})
    assert again.status_code == 304


def test_no_file_is_written_for_a_head_request(path, anyone, monkeypatch, tmp_path):
    path = f"{path}?format=xlsx"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert anyone.head(path).status_code == 200
    with pytest.raises(FileNotFoundError):
        anyone.get(path)


@pytest.mark.parametrize("part", [p for p in COUNTING if p != "?range=31d"])
def test_a_head_request_is_refused_like_a_get_request(part, site, anyone):
    closed = f"/stats-dashboard/communities/{site.slugs['closed']}{part}"
    assert anyone.head(closed).status_code == 404
    wrong = f"/stats-dashboard/global{part}&unknown=1"
    assert anyone.head(wrong).status_code == anyone.get(wrong).status_code == 400
