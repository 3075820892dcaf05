# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The completeness of the aggregates follows from what is still to be counted."""

import pytest

from invenio_stats_dashboard.services.aggregation_status import UsageBacklog

DAYS = ("2026-03-01", "2026-03-02", "2026-03-05", "2026-03-06")


@pytest.mark.parametrize(
    ("redo", "continued", "first", "family", "wanted"),
    [
        # percent, days to redo, from which day
        ((), {}, DAYS[0], "usage-delta", (100.0, 0, None)),
        ((), {}, DAYS[0], "usage-snapshot", (100.0, 0, None)),
        (DAYS[1:2], {}, DAYS[0], "usage-delta", (75.0, 1, DAYS[1])),
        # the days after a day to count can change, too
        (DAYS[1:2], {}, DAYS[0], "usage-snapshot", (25.0, 3, DAYS[1])),
        ((), {"c": DAYS[2]}, DAYS[0], "usage-delta", (100.0, 0, None)),
        ((), {"c": DAYS[2]}, DAYS[0], "usage-snapshot", (50.0, 2, DAYS[2])),
        ((), {"other": DAYS[2]}, DAYS[0], "usage-snapshot", (100.0, 0, None)),
        (DAYS[3:], {"c": DAYS[2]}, DAYS[0], "usage-snapshot", (50.0, 2, DAYS[2])),
        # days before a community's first day do not belong to it
        (DAYS[3:], {}, DAYS[2], "usage-delta", (50.0, 1, DAYS[3])),
        (DAYS[:1], {}, DAYS[2], "usage-snapshot", (0.0, 3, DAYS[0])),
        # nothing is counted yet
        (DAYS, {}, None, "usage-delta", (0.0, 4, DAYS[0])),
        (DAYS, {}, None, "usage-snapshot", (0.0, 4, DAYS[0])),
    ],
)
def test_usage_is_as_complete_as_its_days(redo, continued, first, family, wanted):
    backlog = UsageBacklog(DAYS, redo, continued)
    found = backlog.of("c", family, 1, first, DAYS[-1])
    assert (found.percent, found.redo_days, found.redo_from) == wanted


def test_with_a_pending_day_not_all_is_counted():
    days = tuple(
        f"{year}-{day:04d}" for year in range(2000, 2010) for day in range(400)
    )
    backlog = UsageBacklog(days, days[-1:])
    found = backlog.of("c", "usage-delta", 1, days[0], days[-1])
    assert (found.percent, found.redo_days) == (99.9, 1)


def test_without_pending_days_all_is_counted():
    assert UsageBacklog().of("c", "usage-delta", 0, None, None).percent == 100.0
