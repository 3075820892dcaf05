# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Map exceptions to HTTP errors, as the resources of InvenioRDM do."""

import logging
from collections.abc import Callable
from typing import Any

from flask_resources import HTTPJSONException, create_error_handler
from invenio_records_resources.resources.errors import ErrorHandlersMixin
from opensearchpy.exceptions import OpenSearchException
from sqlalchemy import exc

from ..errors import StatsDashboardError, UsageError
from ..permissions import GlobalNotReadableError, NotReadableError

RETRY_SECONDS = 60

logger = logging.getLogger(__name__)

_Headers = list[tuple[str, str]]


class NotCached(HTTPJSONException):
    """An error that no cache may store: it depends on the moment and the caller."""

    def get_headers(self, environ: Any = None, scope: Any = None) -> _Headers:
        """Return the headers."""
        headers = super().get_headers(environ, scope)
        return [*headers, ("Cache-Control", "no-store")]


class ServiceUnavailable(NotCached):
    """OpenSearch or the database does not answer at the moment."""

    code = 503
    description = (
        "The statistics cannot be read at the moment. Try again in a minute or two."
    )

    def get_headers(self, environ: Any = None, scope: Any = None) -> _Headers:
        """Return the headers, with the time of the next attempt."""
        return [
            *super().get_headers(environ, scope),
            ("Retry-After", str(RETRY_SECONDS)),
        ]


def _away(error: Exception) -> ServiceUnavailable:
    # only operators may see messages of OpenSearch and the database
    logger.error("statistics cannot be read: %s", error, exc_info=error)
    return ServiceUnavailable()


def _answered(code: int) -> Callable[[Exception], Any]:
    return create_error_handler(
        lambda error: NotCached(code=code, description=str(error))
    )


ERROR_HANDLERS: dict[type[Exception], Callable[..., Any]] = {
    **ErrorHandlersMixin.error_handlers,
    NotReadableError: _answered(404),
    GlobalNotReadableError: _answered(403),
    UsageError: _answered(400),
    StatsDashboardError: create_error_handler(_away),
    OpenSearchException: create_error_handler(_away),
    exc.OperationalError: create_error_handler(_away),
    exc.InterfaceError: create_error_handler(_away),
    exc.TimeoutError: create_error_handler(_away),
}
"""Exception -> function that makes the response."""
