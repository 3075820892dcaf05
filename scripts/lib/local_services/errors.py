# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Errors of the services, of which one is shown to the user of the script."""


class ServicesError(Exception):
    """A problem that the user can fix, described in one sentence."""


class NoAnswer(Exception):
    """A service did not answer as a service of its kind does."""
