# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Telling a preprocessor that fails for its event from one that fails for now.

The stock indexer logs an event whose preprocessor raises, and goes on without it.
That is right for an event that makes no sense, and a loss while Redis, which holds
the salt of the visitors, or another service is away.
"""

import redis.exceptions
import sqlalchemy.exc

from ..community_events.membership import DatabaseUnavailableError
from ..errors import SearchUnavailableError
from ..search.client import is_transient

_AWAY = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.TimeoutError,
    DatabaseUnavailableError,
    SearchUnavailableError,
)


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
