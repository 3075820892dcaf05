# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decode only the fields of a record's JSON that statistics use.

A record can have titles, descriptions and the names of thousands of authors. Statistics
need only a few identifiers.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypedDict

import msgspec

from ..subcounts import Subcount, for_records

_ALWAYS = (
    "id",
    "access",
    "files",
    "metadata.publication_date",
    "tombstone.removal_date",
    "tombstone.is_visible",
)
_COMPUTED = {"access", "files", "parent"}

_Tree: TypeAlias = dict[str, "_Tree | None"]


def record_decoder(subcounts: Mapping[str, Subcount]) -> Callable[[str], Any]:
    """Return a function that decodes the JSON of a record.

    Args:
        subcounts: the registry of breakdowns. Fields that no breakdown names are left
            out.
    """
    fields = [path for s in for_records(subcounts) for path in s.fields]
    paths = [p.split(".") for p in (*_ALWAYS, *fields)]
    wanted = _tree(p for p in paths if len(p) == 1 or p[0] not in _COMPUTED)
    pruned, whole = msgspec.json.Decoder(_type(wanted)), msgspec.json.Decoder()

    def decode(text: str) -> Any:
        try:
            return pruned.decode(text)
        except msgspec.ValidationError:
            return whole.decode(text)  # The record has an unexpected shape.

    return decode


def _tree(paths: Iterable[list[str]]) -> _Tree:
    """Return paths as nested dictionaries; None marks the end of a path."""
    tree: _Tree = {}
    for path in sorted(paths, key=len):
        node = tree
        for part in path[:-1]:
            below = node.setdefault(part, {})
            if below is None:
                break  # A shorter path takes everything below.
            node = below
        else:
            node.setdefault(path[-1], None)
    return tree


def _type(tree: _Tree | None) -> Any:
    if tree is None:
        return Any
    fields = {key: _type(below) for key, below in tree.items()}
    # The fields are known only at run time.
    node = TypedDict("node", fields, total=False)  # type: ignore[misc]
    return node | list[node] | None
