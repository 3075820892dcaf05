# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Who comes to a repository: visitors, where they are, where they come from."""

import hashlib
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate

SITE = "https://repository.example.org"

HOURS = (2, 1, 1, 1, 1, 2, 3, 5, 8, 10, 11, 11, 9, 10, 11, 10, 9, 8, 6, 5, 5, 5, 4, 3)
"""Relative traffic of the hours of a day (UTC)."""

WEEKDAYS = (1.1, 1.15, 1.1, 1.05, 0.95, 0.5, 0.55)
"""Relative traffic of the days of a week, Monday first."""

COUNTRIES = {
    "US": 22, "DE": 14, "GB": 8, "FR": 7, "CN": 7, "IN": 6, "CH": 5, "ES": 4,
    "IT": 4, "BR": 3, "JP": 3, "NL": 3, "CA": 3, "AU": 2, "PL": 2, "AT": 2,
    "SE": 1, "ZA": 1, "NG": 1, "MX": 1, "KR": 1, None: 3,
}  # fmt: skip
"""Relative share of countries; None: the address is not in the geo database."""

REFERRERS = {
    None: 45,
    "https://www.google.com/": 22,
    "https://scholar.google.com/": 8,
    "https://doi.org/": 6,
    "https://www.bing.com/": 3,
    "https://duckduckgo.com/": 2,
    "https://en.wikipedia.org/wiki/Open_data": 2,
    "https://github.com/": 2,
    "https://www.openaire.eu/search?q=climate%20data": 1,
    "http://localhost:8888/lab": 0.3,
    # what clients really send, too: not ASCII, no URL, or what looks like a date
    "https://例え.テスト/検索?q=オープンデータ": 0.3,
    "https://www.universität-beispiel.de/suche?q=Übermaß": 0.3,
    "android-app://com.google.android.gm/": 0.2,
    "2024-01-15": 0.1,
    "2025-11-02T10:00:00": 0.1,
    "12345": 0.05,
    "": 0.05,
    "https://proxy.example.edu/login?url=" + "https%3A%2F%2Fexample.org%2F" * 40: 0.1,
    "https://search.example.com/?q=" + "very+long+query+" * 600: 0.005,
}
"""Relative share of referrers of a visit's first page."""

USER, SESSION, ANONYMOUS = range(3)

MACHINES = 0.06
"""Share of visits by machines (scripts, reference managers)."""

ROBOTS = 0.002
"""Share of visits by robots: seen only where a site flags and does not filter."""

REGULARS = 400
"""Users with an account."""


class Choice:
    """Weighted choice that costs one random number and one bisection.

    Args:
        weights: value -> relative weight, or a list of (value, weight).
    """

    def __init__(self, weights):
        """Prepare the cumulated weights."""
        pairs = list(weights.items() if isinstance(weights, dict) else weights)
        self.values = [value for value, _ in pairs]
        self.cumulated = list(accumulate(weight for _, weight in pairs))
        self.total = self.cumulated[-1]

    def __call__(self, rng):
        """Return one value."""
        return self.values[bisect(self.cumulated, rng.random() * self.total)]


_country, _referrer = Choice(COUNTRIES), Choice(REFERRERS)
_kind = Choice({USER: 12, SESSION: 8, ANONYMOUS: 80})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who looks at one or more pages in a row.

    Attributes:
        kind: known by account, by session cookie, or by address and agent only.
        key: what identifies the visitor; anonymised by :func:`anonymous_ids`.
        country: ISO 3166-1 alpha-2 code, or None where it is not known.
        referrer: referrer of the first page, or None.
        is_machine: as COUNTER's list of machines decides.
        is_robot: as COUNTER's list of robots decides.
        draw: a number from 0 to 1 for whatever else differs between visitors.
    """

    kind: int
    key: str
    country: str | None
    referrer: str | None
    is_machine: bool
    is_robot: bool
    draw: float


def visitor(rng):
    """Return a random visitor."""
    number = rng.getrandbits(32)
    kind = _kind(rng)
    key = {
        USER: str(number % REGULARS + 1),
        SESSION: f"{number:08x}_{number % 997:x}",
        ANONYMOUS: f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}"
        f".{number & 255}|Mozilla/5.0 (X11; Linux x86_64)",
    }[kind]
    what = rng.random()
    return Visitor(
        kind=kind,
        key=key,
        country=_country(rng),
        referrer=_referrer(rng),
        is_machine=what < MACHINES,
        is_robot=what > 1 - ROBOTS,
        draw=rng.random(),
    )


def anonymous_ids(visitor, salt, day, hour):
    """Return ``(visitor_id, unique_session_id)`` as invenio-stats hashes them.

    The rules of ``invenio_stats.processors.anonymize_user``: a visitor without
    account and session is told apart by the hour, too.

    Args:
        visitor: the :class:`Visitor`.
        salt: the day's salt, as bytes.
        day: ``YYYYMMDD``.
        hour: 0 to 23.
    """
    sliced = hashlib.sha224(salt + f"{visitor.key}|{day}{hour:02}".encode()).hexdigest()
    if visitor.kind == ANONYMOUS:
        return sliced, sliced
    return hashlib.sha224(salt + visitor.key.encode()).hexdigest(), sliced
