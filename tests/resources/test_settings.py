# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Variables of the resource that cannot work are refused at start, by name."""

import pytest

from invenio_stats_dashboard import config, config_validation
from invenio_stats_dashboard.errors import ConfigurationError
from invenio_stats_dashboard.permissions import StatsDashboardPermissionPolicy

GOOD = {name: getattr(config, name) for name in config_validation.CHECKS}
POLICY = "STATS_DASHBOARD_PERMISSION_POLICY"
SETTINGS = "STATS_DASHBOARD_INDEX_SETTINGS"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (POLICY, None),
        (POLICY, "no.such.module.Policy"),
        (POLICY, "invenio_stats_dashboard.permissions.Subject"),
        (POLICY, object()),
        ("STATS_DASHBOARD_MAX_DAYS", 0),
        ("STATS_DASHBOARD_MAX_DAYS", None),
        ("STATS_DASHBOARD_MAX_CELLS", 1001),
        ("STATS_DASHBOARD_MAX_SERIES", True),
        ("STATS_DASHBOARD_MAX_VALUES", 1.5),
        ("STATS_DASHBOARD_MAX_DOCUMENTS", "366"),
        ("STATS_DASHBOARD_MAX_DOCUMENT_VALUES", 0),
        ("STATS_DASHBOARD_MAX_QUERIES", 0),
        ("STATS_DASHBOARD_CACHE_SECONDS", -1),
        ("COMMUNITY_STATS_AGGREGATES_SHARD_GB", 0),
        ("COMMUNITY_STATS_AGGREGATES_SHARD_GB", "20"),
        (SETTINGS, None),
        (SETTINGS, {"number_of_shards": 0}),
        (SETTINGS, {"number_of_replicas": "2"}),
        (SETTINGS, {"auto_expand_replicas": True}),
        (SETTINGS, {"number_of_replicas": 1, "auto_expand_replicas": "0-1"}),
        (SETTINGS, {"refresh_interval": "5s"}),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} is .*; it must be "):
        config_validation.check_config({**GOOD, name: value})


def test_a_policy_can_be_given_as_a_class():
    config_validation.check_config(GOOD)
    config_validation.check_config({**GOOD, POLICY: StatsDashboardPermissionPolicy})
    config_validation.check_config({**GOOD, "STATS_DASHBOARD_CACHE_SECONDS": 0})


def test_shards_replicas_and_sizes_that_opensearch_takes_are_taken():
    config_validation.check_config(
        {**GOOD, SETTINGS: {"auto_expand_replicas": "0-all"}}
    )
    config_validation.check_config(
        {**GOOD, SETTINGS: {"number_of_shards": 2, "number_of_replicas": 0}}
    )
    config_validation.check_config({**GOOD, "COMMUNITY_STATS_AGGREGATES_SHARD_GB": 0.5})
