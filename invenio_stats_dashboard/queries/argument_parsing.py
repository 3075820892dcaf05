# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading what callers of the services give: communities, records, dates."""

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta

from invenio_db import db

from ..community_events.documents import GLOBAL
from ..community_events.membership import MembershipReader
from ..errors import UsageError

_MONTH = re.compile(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])")

_DAYS = 30
"""Days that are read when no first day is given."""


def with_global(names):
    """Return the UUIDs of communities, and ``global`` if it is asked for."""
    if not names:
        return None
    names = [str(name) for name in names]
    # ``global`` may be the slug of a community, too; its UUID names that one
    real = [name for name in names if name != GLOBAL]
    found = communities(MembershipReader(db.engine), real) if real else ()
    return tuple(sorted({*found, *(n for n in names if n == GLOBAL)}))


def day(value, which):
    """Return the UTC day of a date or moment as text, or None."""
    if not value:
        return None
    found = moment(value, which)
    try:
        return found.astimezone(UTC).date().isoformat()
    except OverflowError:
        raise _out_of_range(value, which) from None


def range_of_days(start_date, end_date, today=None):
    """Return the first and the last of some days as text; none is after today.

    Args:
        start_date: first day; None for 29 days before the last one.
        end_date: last day, inclusive; None for today.
        today: the present UTC day as a date.

    Raises:
        UsageError: a date is none, or no day is left.
    """
    today = (today or datetime.now(UTC).date()).isoformat()
    last = min(day(end_date, "end") or today, today)
    first = day(start_date, "start") or _days_before(last, _DAYS - 1)
    if first > last:
        raise UsageError(
            f"There are no days from {first} to {last}"
            + (", which is today." if last == today else ".")
        )
    return first, last


def month(text, today=None):
    """Return the first and the last day of a month as text; none is after today.

    Args:
        text: ``YYYY-MM``.
        today: the present UTC day as a date.

    Returns:
        tuple[str, str, bool]: the days, and whether the month has ended.

    Raises:
        UsageError: it is no month, or one to come.
    """
    today = today or datetime.now(UTC).date()
    if not _MONTH.fullmatch(str(text)):
        raise UsageError(f"The month {text!r} is no month; write it as YYYY-MM.")
    year, number = map(int, text.split("-"))
    first = date(year, number, 1)
    if first > today:
        raise UsageError(f"The month {text} is to come; nothing was used in it yet.")
    last = date(year, number, calendar.monthrange(year, number)[1])
    return first.isoformat(), min(last, today).isoformat(), last < today


def one_of(value, values, name):
    """Refuse a value that is none of those there are."""
    if value not in values:
        raise UsageError(f"There is no {name!r} {value!r}; it can be {_or(values)}.")


def communities(reader, names):
    """Return the UUIDs of communities; all must exist."""
    names = tuple(dict.fromkeys(str(name) for name in names))
    found = reader.communities(names)
    for name in names:
        if name not in found:
            raise UsageError(
                f"There is no community {name!r}: give the UUID or the slug of one."
            )
    return tuple(sorted(set(found.values())))


def records(reader, recids):
    """Return the identifiers of records; all must exist."""
    recids = tuple(sorted({str(recid) for recid in recids}))
    found = reader.known(recids)
    for recid in recids:
        if recid not in found:
            raise UsageError(f"There is no published record {recid!r}.")
    return recids


def moment(value, which, whole_day=False):
    """Return a date or moment as an aware datetime.

    Args:
        value: date, datetime, or ISO 8601 text.
        which: ``start`` or ``end``, for the sentence.
        whole_day: return the end of the day of a date, or the second after a
            moment, so that the moment itself is before what is returned.
    """
    if isinstance(value, str):
        try:
            value = (
                date.fromisoformat(value)
                if len(value) <= 10
                else datetime.fromisoformat(value)
            )
        except ValueError:
            raise UsageError(
                f"The {which} date {value!r} is no date; write it as YYYY-MM-DD."
            ) from None
    if not isinstance(value, datetime):
        found, rest = datetime.combine(value, time(), UTC), timedelta(days=1)
    else:
        found = value if value.tzinfo else value.replace(tzinfo=UTC)
        rest = timedelta(seconds=1)
    try:
        return found + rest if whole_day else found
    except OverflowError:
        raise _out_of_range(value, which) from None


def _out_of_range(value, which):
    return UsageError(f"The {which} date {value} is out of range.")


def _days_before(day, days):
    number = date.fromisoformat(day).toordinal() - days
    return date.fromordinal(max(number, 1)).isoformat()


def _or(values):
    return " or ".join(repr(value) for value in values)
