# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read and apply the ``.patch`` files.

They look like unified diffs, but line numbers have no meaning. A hunk is found by its
text: the lines of its old side must occur in the file exactly once, in one block. The
words after the second ``@@`` name the changed code. Hunks with the same name are
alternatives for different versions, and exactly one of them must match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


class DoesNotFitError(Exception):
    """No hunk of a name matches the text, or more than one does."""


@dataclass(frozen=True)
class Hunk:
    """One change.

    Attributes:
        place: name of the changed code; alternatives have the same name.
        old: whole lines before the change.
        new: whole lines after the change.
    """

    place: str
    old: str
    new: str


def parse(patch: str) -> list[Hunk]:
    """Return the hunks of the text of a patch, in its order."""
    hunks = []
    for part in ("\n" + patch).split("\n@@ ")[1:]:
        head, _, body = part.partition("\n")
        lines = [(line[:1] or " ", line[1:]) for line in body.splitlines()]
        old = "".join(f"{line}\n" for sign, line in lines if sign in " -")
        new = "".join(f"{line}\n" for sign, line in lines if sign in " +")
        hunks.append(Hunk(head.partition(" @@ ")[2], old, new))
    return hunks


def apply(text: str, hunks: Sequence[Hunk]) -> str:
    """Return a text with one hunk of each name applied.

    Raises:
        DoesNotFitError: with the name of the hunk.
    """
    for place in dict.fromkeys(hunk.place for hunk in hunks):
        fitting = [
            (found, hunk.new)
            for hunk in hunks
            if hunk.place == place
            for found in re.finditer("^" + re.escape(hunk.old), text, re.MULTILINE)
        ]
        if len(fitting) != 1:
            raise DoesNotFitError(place)
        [(found, new)] = fitting
        text = text[: found.start()] + new + text[found.end() :]
    return text
