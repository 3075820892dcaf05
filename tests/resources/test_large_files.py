# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Days by subject are exported fully, also if they are many.

So many that they are read in two pages of documents (``FIRST_PAGE`` is 40) and that a
file is sent in several pieces (of 64 KiB). A year and more subjects take no other way.
"""

import csv
import io
from collections import Counter

import pytest
from python_calamine import CalamineWorkbook

from .large_community import DAYS, SUBJECTS, make_large_community, views


@pytest.fixture(scope="module")
def path(site, client, names):
    """Return the path of a query for all numbers of a large community."""
    return f"{make_large_community(site, client, names)}&top=all"


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
