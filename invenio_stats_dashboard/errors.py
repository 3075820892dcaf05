# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Everything that this package raises for a reason its user can act on.

Each error's text is one sentence or two that say what is wrong and what to do
next. The command line prints it without a traceback and exits with
``exit_code``: 1 something failed, 2 wrong use, 3 stopped and resumable.
"""


class StatsDashboardError(Exception):
    """Base of all errors of this package."""

    exit_code = 1


class ConfigurationError(StatsDashboardError):
    """A config variable has a value that cannot work."""

    exit_code = 2


class UsageError(StatsDashboardError):
    """A command or a service was called with arguments that make no sense."""

    exit_code = 2


class NotReadyError(StatsDashboardError):
    """Something that must exist first is missing; the text names its command."""

    exit_code = 2


class SearchUnavailableError(StatsDashboardError):
    """OpenSearch did not answer, or refused what is needed, for too long."""

    exit_code = 3


class LookupPostponedError(StatsDashboardError):
    """The database may not be asked now; ask again later."""

    exit_code = 3


class ClusterNotHealthyError(StatsDashboardError):
    """The cluster is in no state to be given more work; go on later."""

    exit_code = 3


class LockedError(StatsDashboardError):
    """Another run does the same work right now."""

    exit_code = 2


class LockLostError(StatsDashboardError):
    """This run was taken over by another one and must touch nothing more."""

    exit_code = 3


class TooManyEventsError(UsageError):
    """There are more events than are counted for whoever asks."""
