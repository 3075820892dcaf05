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

from ..errors import (
    GlobalNotReadableError,
    NotReadableError,
    StatsDashboardError,
    UsageError,
)
from .client_disconnects import ClientLeftError
from .temporary_files import TooManyFilesError

RETRY_SECONDS = 60

logger = logging.getLogger(__name__)

_Headers = list[tuple[str, str]]


class NotCached(HTTPJSONException):
    """An error that no cache may store, because it depends on time and caller."""

    def get_headers(self, environ: Any = None, scope: Any = None) -> _Headers:
        """Return the headers."""
        headers = super().get_headers(environ, scope)
        return [*headers, ("Cache-Control", "no-store")]


class ServiceUnavailable(NotCached):
    """OpenSearch or the database does not answer."""

    code = 503
    description = "The statistics are temporarily unavailable. Try again in a minute."

    def get_headers(self, environ: Any = None, scope: Any = None) -> _Headers:
        """Return the headers, with the time of the next attempt."""
        return [
            *super().get_headers(environ, scope),
            ("Retry-After", str(RETRY_SECONDS)),
        ]


class Busy(ServiceUnavailable):
    """The process that received the request creates other workbooks."""

    description = (
        "The server is creating other workbooks. Try again in a minute, or use "
        "format=csv."
    )


def _unavailable(error: Exception) -> ServiceUnavailable:
    # only operators may see messages of OpenSearch and the database
    logger.error("statistics cannot be read: %s", error, exc_info=error)
    return ServiceUnavailable()


def _refused(code: int) -> Callable[[Exception], Any]:
    return create_error_handler(
        lambda error: NotCached(code=code, description=str(error))
    )


ERROR_HANDLERS: dict[type[Exception], Callable[..., Any]] = {
    **ErrorHandlersMixin.error_handlers,
    NotReadableError: _refused(404),
    GlobalNotReadableError: _refused(403),
    UsageError: _refused(400),
    TooManyFilesError: create_error_handler(lambda error: Busy()),
    # the code that nginx logs; nobody receives this response
    ClientLeftError: _refused(499),
    StatsDashboardError: create_error_handler(_unavailable),
    OpenSearchException: create_error_handler(_unavailable),
    exc.OperationalError: create_error_handler(_unavailable),
    exc.InterfaceError: create_error_handler(_unavailable),
    exc.TimeoutError: create_error_handler(_unavailable),
}
"""Exception -> function that returns the response."""
