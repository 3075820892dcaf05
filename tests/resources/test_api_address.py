# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The pages request the REST API at the address that the site configures."""

from types import SimpleNamespace

import pytest

from invenio_stats_dashboard.resources.config import CommunityStatsResourceConfig


@pytest.mark.parametrize(
    ("ui", "api", "expected"),
    [
        ("https://a.example", "https://a.example/api", "/api"),
        ("https://a.example/repo", "https://a.example/repo/api/", "/repo/api"),
        ("https://a.example", "https://api.a.example", "https://api.a.example"),
        ("https://a.example", "https://b.example/v1/", "https://b.example/v1"),
        ("https://a.example", "/api", "/api"),
    ],
)
def test_address_is_a_path_on_the_same_host_and_complete_on_another(ui, api, expected):
    site = SimpleNamespace(config={"SITE_UI_URL": ui, "SITE_API_URL": api})
    config = CommunityStatsResourceConfig.build(site)
    assert config.path("global") == f"{expected}/stats-dashboard/global"
    community = f"{expected}/stats-dashboard/communities/tides"
    assert config.path("community", "tides") == community


def test_address_without_configuration_is_that_of_inveniordm():
    config = CommunityStatsResourceConfig.build(SimpleNamespace(config={}))
    assert config.path("global") == "/api/stats-dashboard/global"
