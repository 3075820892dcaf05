# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The ids of breakdown values that this package assigns itself.

They begin with an underscore, because plain words such as ``other`` are ids of some
vocabularies. The texts of records and of requests are outside this package's control,
so counting reads all ids through :func:`ids_of`.
"""

from collections.abc import Iterable

UNKNOWN = "unknown"
"""Id of events and records that have no value in a breakdown.

It is not reserved: a value from outside that equals it counts with them.
"""

OTHER = "_other"
"""Id of the sum of the values that are not listed."""

HIDDEN = "_hidden"
"""Id of the sum of the records that an anonymous search does not find."""

RESERVED = frozenset({OTHER, HIDDEN})
"""The ids that no value from outside can have."""

ASSIGNED = frozenset({UNKNOWN, *RESERVED})
"""The ids that describe no value from outside."""


def id_of(value: str | None) -> str:
    """Return the id of a value from outside.

    Args:
        value: of a record's metadata or of a request; None or empty if it has none.

    Returns:
        The value; :data:`UNKNOWN` without a value or if it equals a reserved id.
    """
    return UNKNOWN if not value or value in RESERVED else value


def ids_of(values: Iterable[str] | None) -> tuple[str, ...]:
    """Return the distinct ids of the values that a record or an event has.

    Args:
        values: the values from outside, or None.

    Returns:
        The ids in the order of the values; never empty.
    """
    return tuple(dict.fromkeys(map(id_of, values or ()))) or (UNKNOWN,)
