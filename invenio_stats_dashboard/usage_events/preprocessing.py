# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Wrap the site's preprocessors: detect unavailable services, and cache salts.

If a preprocessor raises, the stock indexer logs the event and drops it. For an invalid
event that is right. While a service is unavailable, it would also drop valid events.
Redis is such a service: it stores the salt for the hashes of visitors.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from typing import Any

import redis.exceptions
import sqlalchemy.exc
from invenio_stats import processors

from ..community_events.database import DatabaseUnavailableError
from ..errors import SearchUnavailableError
from ..search.client import is_transient

_AWAY = (
    # includes errors that Redis returns: out of memory, read-only, loading its data
    redis.exceptions.RedisError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.TimeoutError,
    DatabaseUnavailableError,
    SearchUnavailableError,
)

Preprocessor = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Takes an event and returns it, or None to drop it."""

_salts: ContextVar[dict[date, str] | None] = ContextVar(
    "salts of days, while they are cached", default=None
)


def watched(
    preprocessor: Preprocessor, away: Callable[[Exception], None]
) -> Preprocessor:
    """Wrap a preprocessor so that it reports an unavailable service.

    Args:
        preprocessor: the site's preprocessor.
        away: called with the error, which is then raised again.
    """

    def watching(event: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return preprocessor(event)
        except Exception as error:
            if isinstance(error, _AWAY) or is_transient(error):
                away(error)
            raise

    return watching


@contextmanager
def salts_kept() -> Iterator[None]:
    """Read the salt of each day only once inside this context.

    The stock preprocessor reads it from Redis for each event, which takes longer than
    the rest of its work.
    """
    if not hasattr(processors.get_anonymization_salt, "__wrapped__"):
        processors.get_anonymization_salt = _keeping(processors.get_anonymization_salt)
    token = _salts.set({})
    try:
        yield
    finally:
        _salts.reset(token)


def _keeping(get_salt: Callable[[datetime], str]) -> Callable[[datetime], str]:
    """Return the stock function with a cache that works inside :func:`salts_kept`."""

    @functools.wraps(get_salt)
    def kept(timestamp: datetime) -> str:
        salts = _salts.get()
        if salts is None:
            return get_salt(timestamp)
        day = timestamp.date()
        if day not in salts:
            salts[day] = get_salt(timestamp)
        return salts[day]

    return kept
