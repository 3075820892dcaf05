# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What the patient indexer does about the site's preprocessors, without changing them.

The stock indexer logs an event whose preprocessor raises, and goes on without it.
That is right for an event that makes no sense, and a loss while Redis, which holds
the salt of the visitors, or another service is away.
"""

import functools
from contextlib import contextmanager
from contextvars import ContextVar

import redis.exceptions
import sqlalchemy.exc
from invenio_stats import processors

from ..community_events.database import DatabaseUnavailableError
from ..errors import SearchUnavailableError
from ..search.client import is_transient

_AWAY = (
    # also those that it answers: out of memory, read-only, loading its data
    redis.exceptions.RedisError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.TimeoutError,
    DatabaseUnavailableError,
    SearchUnavailableError,
)

_salts = ContextVar("salts of days, while they are kept", default=None)


def watched(preprocessor, away):
    """Return a preprocessor that says when a service that it needs is away.

    Args:
        preprocessor: takes an event and returns it, or None.
        away: called with the error; the error is raised again after that.
    """

    def watching(event):
        try:
            return preprocessor(event)
        except Exception as error:
            if isinstance(error, _AWAY) or is_transient(error):
                away(error)
            raise

    return watching


@contextmanager
def salts_kept():
    """Ask for the salt of a day once while this is entered.

    The stock preprocessor asks Redis for it with each event, which costs more than
    all else that it does.
    """
    if not hasattr(processors.get_anonymization_salt, "__wrapped__"):
        processors.get_anonymization_salt = _keeping(processors.get_anonymization_salt)
    token = _salts.set({})
    try:
        yield
    finally:
        _salts.reset(token)


def _keeping(get_salt):
    """Return the stock function, which remembers salts where that is asked for."""

    @functools.wraps(get_salt)
    def kept(timestamp):
        salts = _salts.get()
        if salts is None:
            return get_salt(timestamp)
        day = timestamp.date()
        if day not in salts:
            salts[day] = get_salt(timestamp)
        return salts[day]

    return kept
