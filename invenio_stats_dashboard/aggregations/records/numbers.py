# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Assign numbers to texts, so that frames contain no text."""

from collections.abc import Iterable


class Numbers(dict[str, int]):
    """Numbers texts from 0, in the order in which they are first looked up.

    Args:
        texts: texts to number first.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        super().__init__()
        for text in texts:
            self[text]

    def __missing__(self, text: str) -> int:
        """Number a new text."""
        number = self[text] = len(self)
        return number
