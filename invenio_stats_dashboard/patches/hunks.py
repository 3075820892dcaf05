# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading and applying the ``.patch`` files.

They look like unified diffs, but a hunk is found by its text, never by its line
numbers: the lines of its old side must stand in the file exactly once, in one
piece. The words after the second ``@@`` name the place; hunks of the same place
are alternatives for different versions, of which exactly one must fit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


class DoesNotFitError(Exception):
    """No hunk for a place, or more than one, fits the text."""


@dataclass(frozen=True)
class Hunk:
    """One change.

    Attributes:
        place: what is changed.
        old: whole lines that are there before.
        new: whole lines that are there afterwards.
    """

    place: str
    old: str
    new: str


def parse(patch):
    """Return the hunks of the text of a patch, in its order."""
    hunks = []
    for part in ("\n" + patch).split("\n@@ ")[1:]:
        head, _, body = part.partition("\n")
        lines = [(line[:1] or " ", line[1:]) for line in body.splitlines()]
        old = "".join(f"{line}\n" for sign, line in lines if sign in " -")
        new = "".join(f"{line}\n" for sign, line in lines if sign in " +")
        hunks.append(Hunk(head.partition(" @@ ")[2], old, new))
    return hunks


def apply(text, hunks):
    """Return a text with one hunk of every place applied.

    Raises:
        DoesNotFitError: with the name of the place.
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
