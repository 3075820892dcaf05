# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What the stock aggregations of invenio-stats make of the events of a day.

All functions need an application context.
"""

import hashlib
from datetime import UTC, date, datetime, timedelta

import orjson

AGGREGATIONS = ("record-view-agg", "file-download-agg")

SAMPLE = (2, 9, 16, 23)
"""Days of a month that are looked at."""


def sample_days(today, months=18):
    """Return four days of each month, the ones that late events never touch.

    Args:
        today: the date; days from yesterday on are left out.
        months: number of months, the current one included.
    """
    days = []
    for back in range(months):
        year, month = divmod(today.year * 12 + today.month - 1 - back, 12)
        days += [date(year, month + 1, number) for number in SAMPLE]
    return [day for day in sorted(days) if day < today - timedelta(days=1)]


def late_days(today):
    """Return the days that late events belong to: no sample days."""
    first = today.replace(day=1)
    days = [first - timedelta(days=back) for back in (1, 3, 40, 200)]
    return [d - timedelta(days=d.day in SAMPLE) for d in days]


def documents(day):
    """Return the documents that the stock aggregators would write for a day.

    Args:
        day: the date.

    Returns:
        dict[str, dict]: by aggregation and id; without the time of writing.
    """
    from invenio_stats.proxies import current_stats

    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    found = {}
    for name in AGGREGATIONS:
        config = current_stats.aggregations[name]
        aggregator = config.cls(name=config.name, **config.params)
        # without a bookmark: buckets that were aggregated before count, too
        for action in aggregator.agg_iter(moment, None):
            source = dict(action["_source"])
            del source["updated_timestamp"]
            found[f"{name} {action['_id']}"] = source
    return found


def digests(days):
    """Return one digest of all aggregation documents for each day.

    Args:
        days: iterable of dates.

    Returns:
        dict[str, str]: ISO date -> digest; with the number of documents.
    """
    result = {}
    for day in days:
        data = orjson.dumps(documents(day), option=orjson.OPT_SORT_KEYS)
        number = data.count(b'"recid"')
        result[day.isoformat()] = f"{number} {hashlib.sha256(data).hexdigest()}"
    return result


def catch_up(days=None):
    """Run the stock aggregation task, as the site's beat does hourly.

    Args:
        days: begin so many days ago, not where the last run ended.
    """
    from invenio_stats.tasks import aggregate_events

    start = days and (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
    return aggregate_events(AGGREGATIONS, start_date=start)
