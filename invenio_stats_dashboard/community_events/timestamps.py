# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Convert times to the text format of usage events: naive UTC in whole seconds.

Text of this one format sorts chronologically, so timelines need no conversion.
Fractions of a second are cut off, as the stock indexer does for usage events. A view in
the second in which its record was added therefore counts as made after the addition.
"""

from datetime import UTC, datetime
from typing import overload


@overload
def as_second(moment: None) -> None: ...
@overload
def as_second(moment: datetime) -> str: ...
def as_second(moment: datetime | None) -> str | None:
    """Return a datetime as ``YYYY-MM-DDTHH:MM:SS`` in UTC.

    Args:
        moment: taken as UTC if it has no time zone.

    Returns:
        The time without fraction and zone.
    """
    if moment is None:
        return None
    if moment.tzinfo is not None and moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat()[:19]


def moment_of(text: str) -> str:
    """Return an ISO 8601 timestamp in the format of :mod:`.record_rows`.

    Args:
        text: a timestamp; taken as UTC if it has no time zone.

    Returns:
        ``YYYY-MM-DDTHH:MM:SS.ffffff`` in UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:26]


def moment_now() -> str:
    """Return the current time in the format of :func:`moment_of`."""
    return moment_of(datetime.now(UTC).isoformat())


def second_of(text: str) -> str:
    """Return an ISO 8601 timestamp as ``YYYY-MM-DDTHH:MM:SS`` in UTC.

    Args:
        text: any form that :meth:`datetime.datetime.fromisoformat` reads:
            fraction, zone offset, ``Z``, or a date alone.

    Raises:
        ValueError: the text is not a timestamp.
    """
    return as_second(datetime.fromisoformat(text))


def now() -> str:
    """Return the current second."""
    return as_second(datetime.now(UTC))
