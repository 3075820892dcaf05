# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The one error that is shown to the person who called the script."""


class ServicesError(Exception):
    """Something that the caller can act upon, said in one sentence."""


class NoAnswer(Exception):
    """A service was asked and did not answer as that kind of service does."""
