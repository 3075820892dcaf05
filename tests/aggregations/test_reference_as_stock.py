# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""With robots, the reference counts the same for the instance as the stock statistics."""

from collections import Counter
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from invenio_stats.proxies import current_stats

from ..conftest import remove_statistics
from ..helpers import reference
from ..helpers.histories import DAYS, histories, of_usage
from ..helpers.stored import StoredInstance


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories(kinds=of_usage))
def test_totals_of_the_instance_equal_the_stock_statistics(app, client, names, history):
    remove_statistics(client, names)
    stored = history.end()
    StoredInstance(client, names).put(stored)
    documents = reference.aggregates(stored.sources(), {}, DAYS[-1], count_robots=True)
    found = documents["usage-delta"]
    wanted = Counter()
    for (community, day), document in found.items():
        if community == reference.GLOBAL:
            totals = document["totals"]
            wanted["views", day] = totals["view"]["total_events"]
            wanted["downloads", day] = totals["download"]["total_events"]
            wanted["volume", day] = totals["download"]["total_volume"]
    with app.app_context():
        assert +_counted_by_stock(client, names) == +wanted


def _counted_by_stock(client, names):
    """Run the stock aggregations on each day and return their counts."""
    for aggregation in current_stats.aggregations.values():
        runner = aggregation.cls(name=aggregation.name, **aggregation.params)
        for day in DAYS:
            moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
            runner.run(moment, moment, update_bookmark=False)
    counted = Counter()
    for index, what in (("record-view", "views"), ("file-download", "downloads")):
        alias = f"{names.prefix}stats-{index}"
        client.indices.refresh(index=alias, ignore_unavailable=True)
        answer = client.search(
            index=alias, body={"size": 1000}, ignore_unavailable=True
        )
        for hit in answer["hits"]["hits"]:
            source = hit["_source"]
            day = source["timestamp"][:10]
            counted[what, day] += source["count"]
            counted["volume", day] += int(source.get("volume", 0))
    return counted
