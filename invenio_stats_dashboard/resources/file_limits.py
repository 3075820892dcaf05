# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Bound the number of values in a file: estimated at first, counted while it is written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from ..queries.intervals import buckets
from ..queries.query import SeriesQuery, SeriesRow
from .query_parser import refuse

VALUES_OF_ALL = 1
"""Values of a breakdown that the estimate assumes for ``top=all``.

Their number is unknown before they are read, and most communities have few. A larger
number would refuse files that are small; the limit also applies while a file is written.
"""


def estimated_values(query: SeriesQuery) -> int:
    """Return about how many values a file has, without reading any.

    A file can have fewer, because values without activity are omitted. With
    ``top=all`` it can have more.
    """
    listed = VALUES_OF_ALL if query.top is None else query.top + query.other
    series = len(query.metrics) * (1 + len(query.breakdowns) * listed)
    periods = 2 if query.compare else 1
    return series * periods * len(buckets(query.first, query.last, query.interval))


@dataclass(frozen=True)
class FileLimit:
    """The limit of a file.

    Attributes:
        most: maximum number of values; None without a limit.
        more: the higher limit for users who are logged in; None if the user is logged
            in, or if it is not higher.
    """

    most: int | None
    more: int | None = None

    @classmethod
    def of(cls, guest: int | None, user: int | None, is_user: bool) -> "FileLimit":
        """Return the limit of a caller.

        Args:
            guest: the limit for guests; None for no limit.
            user: the limit for users who are logged in.
            is_user: the caller is logged in.
        """
        if is_user:
            return cls(user)
        is_higher = guest is not None and user is not None and user > guest
        return cls(guest, user if is_higher else None)

    def check(self, query: SeriesQuery) -> None:
        """Check the estimated number of values.

        Raises:
            ValidationError: there could be too many; the sentence says what to change.
        """
        number = estimated_values(query)
        if self.most is not None and number > self.most:
            self._refuse(f"could have {number:,} values")

    def counted(self, rows: Iterable[SeriesRow]) -> Iterator[SeriesRow]:
        """Yield rows, and count them.

        Raises:
            ValidationError: there are too many.
        """
        for number, row in enumerate(rows, 1):
            if self.most is not None and number > self.most:
                self._refuse("has more values than allowed")
            yield row

    def _refuse(self, what: str) -> NoReturn:
        more = ""
        if self.more is not None:
            more = f" For users who are logged in it is {self.more:,}."
        refuse(
            "interval",
            f"The file {what}; the maximum is {self.most:,}.{more} Use a longer "
            "interval, a shorter range, fewer metrics or breakdowns, or a smaller top.",
        )
