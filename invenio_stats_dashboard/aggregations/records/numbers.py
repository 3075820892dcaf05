# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Numbers for texts, so that frames hold no text."""


class Numbers(dict):
    """Gives each text a number, from 0 in the order in which they come.

    Args:
        texts: those to begin with.
    """

    def __init__(self, texts=()):
        """Number the first ones."""
        super().__init__()
        for text in texts:
            self[text]

    def __missing__(self, text):
        """Return the number of a new text."""
        number = self[text] = len(self)
        return number
