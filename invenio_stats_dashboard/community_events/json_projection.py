# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decoding of a record's JSON that makes objects only of what somebody will read.

A record is titles, descriptions, names of thousands of authors; statistics want a
few ids of it.
"""

from typing import Any, TypedDict

import msgspec

from ..subcounts import for_records

_ALWAYS = (
    "id",
    "access",
    "files",
    "metadata.publication_date",
    "tombstone.removal_date",
)
_COMPUTED = {"access", "files", "parent"}


def record_decoder(subcounts):
    """Return a function that decodes the JSON of a record.

    Args:
        subcounts: the registry of breakdowns; what none of them names is left
            out.

    Returns:
        Function from text to dict.
    """
    fields = [path for s in for_records(subcounts) for path in s.fields]
    paths = [p.split(".") for p in (*_ALWAYS, *fields)]
    wanted = _tree(p for p in paths if len(p) == 1 or p[0] not in _COMPUTED)
    pruned, whole = msgspec.json.Decoder(_type(wanted)), msgspec.json.Decoder()

    def decode(text):
        try:
            return pruned.decode(text)
        except msgspec.ValidationError:
            return whole.decode(text)  # of another shape than anybody expects

    return decode


def _tree(paths):
    """Return the paths as nested dicts; None is the end of a path."""
    tree = {}
    for path in sorted(paths, key=len):
        node = tree
        for part in path[:-1]:
            node = node.setdefault(part, {})
            if node is None:
                break  # a shorter path takes everything below
        else:
            node.setdefault(path[-1], None)
    return tree


def _type(tree):
    if tree is None:
        return Any
    node = TypedDict("node", {k: _type(v) for k, v in tree.items()}, total=False)
    return node | list[node] | None
