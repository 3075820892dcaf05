# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Days by subject are exported fully, also if they are many.

So many that they are read in two pages of documents (``FIRST_PAGE`` is 40) and that a
file is sent in several pieces (of 64 KiB). A year and more subjects take no other way.
"""

import csv
import io
from collections import Counter
from datetime import timedelta

import pytest
from python_calamine import CalamineWorkbook

from invenio_stats_dashboard.aggregations.aggregate_indices import AggregateIndices
from invenio_stats_dashboard.search.names import USAGE_DELTA

from ..helpers import content
from ..helpers.counted_site import TODAY

DAYS, SUBJECTS = 90, 60


def views(day, subject):
    """Return how many views a subject has on a day."""
    return 1 + (day * 7 + subject * 13) % 50


def document(community, number):
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


@pytest.fixture(scope="module")
def path(site, client, names):
    """Return the path of a community with many days and subjects."""
    with site.app.app_context():
        community = content.make_community()
        slug = content.slug_of(community)
    lines, indices = [], AggregateIndices(client, names)
    indices.prepare([USAGE_DELTA])
    for number in range(DAYS):
        id_, source = document(community, number)
        index = indices.write_alias(USAGE_DELTA, source["period_start"])
        lines += [{"index": {"_index": index, "_id": id_}}, source]
    answer = client.bulk(body=lines, refresh=True)
    assert not answer["errors"], str(answer)[:500]
    return (
        f"/stats-dashboard/communities/{slug}?range={DAYS}d&interval=day"
        "&metrics=views,downloads&breakdown=subjects&top=all"
    )


WANTED = Counter(
    {
        f"subject {subject}": sum(views(day, subject) for day in range(DAYS))
        for subject in range(SUBJECTS)
    }
)


def checked(rows):
    """Check (metric, breakdown, id, start, value) of a file."""
    found, lines = Counter(), Counter()
    for metric, breakdown, id_, start, value in rows:
        if metric == "views" and breakdown:
            found[id_] += value
            lines[start] += 1
    assert found == WANTED
    assert set(lines.values()) == {SUBJECTS} and len(lines) == DAYS


def test_as_csv(path, anyone):
    answer = anyone.get(f"{path}&format=csv")
    rows = csv.DictReader(io.StringIO(answer.data.decode(), newline=""))
    checked(
        (r["metric"], r["breakdown"], r["id"], r["start"], int(r["value"]))
        for r in rows
    )


def test_as_xlsx(path, anyone):
    answer = anyone.get(f"{path}&format=xlsx")
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.data))
    _, *rows = book.get_sheet_by_name("Subjects").to_python()
    checked((r[1], "subjects", r[3], r[5], r[7]) for r in rows)
