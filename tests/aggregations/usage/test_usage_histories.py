# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""On generated histories the usage aggregates are what the reference counts."""

from datetime import UTC, datetime

from hypothesis import HealthCheck, Phase, given, settings

from invenio_stats_dashboard.search.names import USAGE_FAMILIES

from ...conftest import remove_statistics
from ...helpers.histories import histories, of_usage, publications
from ...helpers.stored import (
    StoredInstance,
    aggregates_in,
    assert_equal_to_reference,
    assert_same,
)


def aggregate(app, **arguments):
    """Aggregate usage."""
    service = app.extensions["invenio-stats-dashboard"].community_stats_service
    with app.app_context():
        return service.aggregate(families=USAGE_FAMILIES, **arguments)


@settings(
    max_examples=10,
    deadline=None,
    # each example creates and deletes indices; making it smaller takes minutes
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories(kinds=(publications, *of_usage)))
def test_incremental_runs_are_what_the_reference_counts(app, client, names, history):
    remove_statistics(client, names)
    instance = StoredInstance(client, names)
    registry = app.config["COMMUNITY_STATS_SUBCOUNTS"]
    today = datetime.now(UTC).date().isoformat()
    for _, stored, runs in history.moments():
        instance.put(stored)
        if runs:
            aggregate(app)
            assert_equal_to_reference(
                client, names, stored, registry, today, families=USAGE_FAMILIES
            )
    aggregate(app)
    assert_equal_to_reference(
        client, names, stored, registry, today, families=USAGE_FAMILIES
    )
    incremental = aggregates_in(client, names, USAGE_FAMILIES)
    done = aggregate(app, rebuild=True)
    for written in done.families.values():
        assert (written.created, written.changed, written.deleted) == (0, 0, 0)
    assert_same(aggregates_in(client, names, USAGE_FAMILIES), incremental)
