# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Errors whose cause a user or operator can remove.

The text of each error states in one or two sentences what is wrong and what to do
next. The command line prints it without a traceback and exits with ``exit_code``:
1 something failed, 2 wrong use, 3 stopped and resumable.
"""

from invenio_records_resources.services.errors import PermissionDeniedError


class StatsDashboardError(Exception):
    """Base of all errors of this package."""

    exit_code: int = 1


class ConfigurationError(StatsDashboardError):
    """A config variable has an invalid value."""

    exit_code = 2


class UsageError(StatsDashboardError):
    """A command or a service was called with invalid arguments."""

    exit_code = 2


class NotReadableError(UsageError, PermissionDeniedError):
    """The community does not exist, or the identity may not read its statistics.

    The text does not reveal which, so that nobody can probe for hidden communities.
    """


class GlobalNotReadableError(UsageError, PermissionDeniedError):
    """The identity may not read the statistics of the instance."""


class NotReadyError(StatsDashboardError):
    """A prerequisite is missing; the text names the command that creates it."""

    exit_code = 2


class ForeignIndexError(NotReadyError):
    """An index has a name of this package but was created by another extension."""


class SearchUnavailableError(StatsDashboardError):
    """OpenSearch did not answer, or refused requests, for too long."""

    exit_code = 3


class NotPermittedError(StatsDashboardError):
    """OpenSearch refuses a request to the application's user."""

    exit_code = 2


class BlockedError(StatsDashboardError):
    """A block of an index or of the cluster prevents a request; continue later."""

    exit_code = 3


class LookupPostponedError(StatsDashboardError):
    """A look-up must not load the database now; ask again later."""

    exit_code = 3


class ClusterNotHealthyError(StatsDashboardError):
    """The cluster is not healthy enough for more work; continue later."""

    exit_code = 3


class LockedError(StatsDashboardError):
    """Another run is doing the same work."""

    exit_code = 2


class LockLostError(StatsDashboardError):
    """Another run has taken over; this run must write nothing more."""

    exit_code = 3


class TooManyEventsError(UsageError):
    """The month has more events than are counted for this user."""
