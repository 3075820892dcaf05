# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A community with 90 days of views of many subjects, stored as finished aggregates."""

from datetime import timedelta

from invenio_stats_dashboard.aggregations.aggregate_indices import AggregateIndices
from invenio_stats_dashboard.search.names import USAGE_DELTA

from ..helpers import content
from ..helpers.counted_site import TODAY

DAYS, SUBJECTS = 90, 60


def views(day, subject):
    """Return how many views a subject has on a day."""
    return 1 + (day * 7 + subject * 13) % 50


def make_large_community(site, client, names):
    """Create the community, and return the path of a query for all its views."""
    with site.app.app_context():
        community = content.make_community()
        slug = content.slug_of(community)
    lines, indices = [], AggregateIndices(client, names)
    indices.prepare([USAGE_DELTA])
    for number in range(DAYS):
        id_, source = _document(community, number)
        index = indices.write_alias(USAGE_DELTA, source["period_start"])
        lines += [{"index": {"_index": index, "_id": id_}}, source]
    answer = client.bulk(body=lines, refresh=True)
    assert not answer["errors"], str(answer)[:500]
    return (
        f"/stats-dashboard/communities/{slug}?range={DAYS}d&interval=day"
        "&metrics=views,downloads&breakdown=subjects"
    )


def _document(community, number):
    """Return the delta of a day, with id."""
    day = (TODAY - timedelta(days=number)).isoformat()
    cells = [
        {
            "id": f"subject {subject}",
            "view": {
                "total_events": views(number, subject),
                "unique_visitors": 1,
                "unique_records": 1,
                "unique_parents": 1,
            },
        }
        for subject in range(SUBJECTS)
    ]
    total = sum(views(number, subject) for subject in range(SUBJECTS))
    return f"{community}:{day}", {
        "community_id": community,
        "period_start": day,
        "totals": {"view": {"total_events": total}},
        "subcounts": {"subjects": cells},
        "updated_timestamp": f"{day}T23:00:00",
    }
