# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Moments as usage events store them: naive UTC, whole seconds, as text.

Text of this one form sorts as time does, so timelines need no conversion. The
fraction is cut off, as the stock indexer cuts it off usage events: a view in the
second of a record's addition counts as made after it.
"""

from datetime import UTC, datetime


def as_second(moment):
    """Return a datetime as ``YYYY-MM-DDTHH:MM:SS`` in UTC.

    Args:
        moment: a datetime, taken as UTC if it has no zone; or None.

    Returns:
        str | None: the moment without fraction and zone.
    """
    if moment is None:
        return None
    if moment.tzinfo is not None and moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat()[:19]


def moment_of(text):
    """Return an ISO 8601 moment as the database's moments are read.

    Args:
        text: a moment; taken as UTC if it has no zone.

    Returns:
        str: ``YYYY-MM-DDTHH:MM:SS.ffffff`` in UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:26]


def moment_now():
    """Return the present moment as the database's moments are read."""
    return moment_of(datetime.now(UTC).isoformat())


def second_of(text):
    """Return an ISO 8601 moment as ``YYYY-MM-DDTHH:MM:SS`` in UTC.

    Args:
        text: any form that :meth:`datetime.datetime.fromisoformat` reads:
            fraction, zone offset, ``Z``, or a date alone.

    Raises:
        ValueError: the text is no moment.
    """
    return as_second(datetime.fromisoformat(text))


def now():
    """Return the present second."""
    return as_second(datetime.now(UTC))
