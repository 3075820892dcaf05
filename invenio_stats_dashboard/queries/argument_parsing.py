# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Parse the arguments of service methods: communities, records, dates, months."""

import calendar
import re
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta

from invenio_db import db

from ..community_events.documents import GLOBAL
from ..community_events.membership import MembershipReader
from ..errors import UsageError

_MONTH = re.compile(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])")

_DAYS = 30
"""Length of a range without a first day."""


def with_global(names: Iterable[object] | None) -> tuple[str, ...] | None:
    """Return the UUIDs of communities, and ``global`` if it is one of the names.

    Args:
        names: UUIDs, slugs, or ``global``; None or empty for no selection.

    Returns:
        None if there are no names.

    Raises:
        UsageError: a community does not exist.
    """
    if not names:
        return None
    texts = [str(name) for name in names]
    # a community can have the slug ``global``; only its UUID refers to it
    real = [name for name in texts if name != GLOBAL]
    found = communities(MembershipReader(db.engine), real) if real else ()
    return tuple(sorted({*found, *(n for n in texts if n == GLOBAL)}))


def day(value: str | date | None, which: str) -> str | None:
    """Return the UTC day of a date or moment as ``YYYY-MM-DD``, or None.

    Args:
        value: date, datetime, or ISO 8601 text.
        which: ``start`` or ``end``, for the error message.

    Raises:
        UsageError: it is not a date, or out of range.
    """
    if not value:
        return None
    found = moment(value, which)
    try:
        return found.astimezone(UTC).date().isoformat()
    except OverflowError:
        raise _out_of_range(value, which) from None


def range_of_days(
    start_date: str | date | None,
    end_date: str | date | None,
    today: date | None = None,
) -> tuple[str, str]:
    """Return the first and the last day of a range as ``YYYY-MM-DD``.

    Days after today are left out.

    Args:
        start_date: first day; None for 29 days before the last one.
        end_date: last day, inclusive; None for today.
        today: the current UTC day; None to read the clock.

    Raises:
        UsageError: a date is invalid, or the range is empty.
    """
    now = (today or datetime.now(UTC).date()).isoformat()
    last = min(day(end_date, "end") or now, now)
    first = day(start_date, "start") or _days_before(last, _DAYS - 1)
    if first > last:
        raise UsageError(
            f"The range is empty: it begins on {first} and ends on {last}"
            + (", which is today." if last == now else ".")
        )
    return first, last


def month(text: str, today: date | None = None) -> tuple[str, str, bool]:
    """Return the first and the last day of a month as ``YYYY-MM-DD``.

    Days after today are left out.

    Args:
        text: ``YYYY-MM``.
        today: the current UTC day; None to read the clock.

    Returns:
        The two days, and whether the month has ended.

    Raises:
        UsageError: it is not a month, or begins after today.
    """
    today = today or datetime.now(UTC).date()
    if not _MONTH.fullmatch(str(text)):
        raise UsageError(f"{text!r} is not a month; write it as YYYY-MM.")
    year, number = map(int, text.split("-"))
    first = date(year, number, 1)
    if first > today:
        raise UsageError(f"The month {text} is in the future.")
    last = date(year, number, calendar.monthrange(year, number)[1])
    return first.isoformat(), min(last, today).isoformat(), last < today


def one_of(value: str, values: Collection[str], name: str) -> None:
    """Check that an argument has one of its possible values.

    Args:
        value: the value of the argument.
        values: the allowed values.
        name: name of the argument, for the error message.

    Raises:
        UsageError: it has another value.
    """
    if value not in values:
        raise UsageError(f"{value!r} is not allowed for {name!r}; use {_or(values)}.")


def communities(reader: MembershipReader, names: Iterable[object]) -> tuple[str, ...]:
    """Return the UUIDs of communities, sorted.

    Args:
        reader: looks them up.
        names: UUIDs or slugs.

    Raises:
        UsageError: a community does not exist.
    """
    texts = tuple(dict.fromkeys(str(name) for name in names))
    found = reader.communities(texts)
    for name in texts:
        if name not in found:
            raise UsageError(
                f"There is no community {name!r}. Give the UUID or slug of a community."
            )
    return tuple(sorted(set(found.values())))


def records(reader: MembershipReader, recids: Iterable[object]) -> tuple[str, ...]:
    """Return the identifiers of published records, sorted.

    Raises:
        UsageError: a record does not exist.
    """
    texts = tuple(sorted({str(recid) for recid in recids}))
    found = reader.known(texts)
    for recid in texts:
        if recid not in found:
            raise UsageError(f"There is no published record {recid!r}.")
    return texts


def moment(value: str | date, which: str, whole_day: bool = False) -> datetime:
    """Return a date or moment as an aware datetime.

    Args:
        value: date, datetime, or ISO 8601 text; UTC if it has no time zone.
        which: ``start`` or ``end``, for the error message.
        whole_day: return the start of the next day for a date, and the next second for
            a moment, so that the result is an exclusive end.

    Raises:
        UsageError: it is not a date, or out of range.
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
                f"The {which} date {value!r} is not a date; write it as YYYY-MM-DD."
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


def _out_of_range(value: object, which: str) -> UsageError:
    return UsageError(f"The {which} date {value} is out of range.")


def _days_before(day: str, days: int) -> str:
    number = date.fromisoformat(day).toordinal() - days
    return date.fromordinal(max(number, 1)).isoformat()


def _or(values: Iterable[object]) -> str:
    return " or ".join(repr(value) for value in values)
