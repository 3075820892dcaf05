# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A run that is killed before any of its writes is completed by the next one."""

from datetime import UTC, datetime

from invenio_stats_dashboard.search.names import RECORD_FAMILIES

from ..kills import killed_at
from .build import record, timeline


def test_after_a_kill_before_any_write_the_next_run_completes_the_work(known, zygote):
    today = datetime.now(UTC).date()
    known.put(record("a", files=1, owner="1"), record("b", created=3))
    known.happen(
        *timeline("a", 2, community="global"),
        *timeline("b", 3, community="global"),
        *timeline("b", 4, 6, community="x"),
    )
    number, writes = 0, None
    while writes is None:
        number += 1
        # each kill also leaves work for the next run
        known.edit("a", published=f"2024-02-{number:02d}")
        known.put(record(f"r{number}", created=number))
        known.happen(*timeline(f"r{number}", number, community="x"))
        if number % 4 == 1:
            known.forget_event(known.events[f"id of r{number}:x:1"])
        writes = zygote.run(killed_at, RECORD_FAMILIES, number)
        if number % 5 == 0:
            known.aggregate(today)
            known.check(today)
    assert number > 12
    known.check(today)
