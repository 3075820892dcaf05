# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""While OpenSearch is unavailable, the response is 503 with Retry-After."""

import pytest

from ..helpers.counted_site import new_service
from ..helpers.ports import free_offset


@pytest.fixture()
def nobody(site, monkeypatch):
    """Let the application look for OpenSearch where nobody listens."""
    port = 29200 + free_offset()
    monkeypatch.setitem(site.app.config, "SEARCH_HOSTS", [f"localhost:{port}"])
    service = new_service(site.app, monkeypatch)
    service.readers.freshness._aggregates._limit = 0.1
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_CACHE_SECONDS", 0)


@pytest.mark.parametrize(
    "path", ["", "?format=csv", "?format=xlsx", "?range=all", "/records"]
)
def test_the_resource_says_so(path, nobody, site, anyone):
    answer = anyone.get(f"/stats-dashboard/communities/{site.slugs['open']}{path}")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "are temporarily unavailable" in answer.json["message"]
    assert "localhost" not in answer.text, "what is inside is nobody's business"


def test_the_queries_say_so(nobody, anyone):
    answer = anyone.post("/stats", json={"mine": {"stat": "global-stats"}})
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "60"
    assert "Query 'mine' (global-stats): The statistics are" in answer.json["message"]
