# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What goes wrong, as InvenioRDM's resources answer it."""

import logging

from flask_resources import HTTPJSONException, create_error_handler
from invenio_records_resources.resources.errors import ErrorHandlersMixin
from opensearchpy.exceptions import OpenSearchException
from sqlalchemy import exc

from ..errors import StatsDashboardError, UsageError
from ..permissions import GlobalNotReadableError, NotReadableError

RETRY_SECONDS = 60

logger = logging.getLogger(__name__)


class NotCached(HTTPJSONException):
    """What is answered now, to whoever asks; no cache gives it to somebody else."""

    def get_headers(self, environ=None, scope=None):
        """Return the headers."""
        headers = super().get_headers(environ, scope)
        return [*headers, ("Cache-Control", "no-store")]


class ServiceUnavailable(NotCached):
    """Something that is needed does not answer; it may later."""

    code = 503
    description = (
        "The statistics cannot be read at the moment. Try again in a minute or two."
    )

    def get_headers(self, environ=None, scope=None):
        """Return the headers: when to come again."""
        return [
            *super().get_headers(environ, scope),
            ("Retry-After", str(RETRY_SECONDS)),
        ]


def _away(error):
    # what OpenSearch or the database say is for the operator alone
    logger.error("statistics cannot be read: %s", error, exc_info=error)
    return ServiceUnavailable()


def _answered(code):
    return create_error_handler(
        lambda error: NotCached(code=code, description=str(error))
    )


ERROR_HANDLERS = {
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
"""Exception -> what answers it."""
