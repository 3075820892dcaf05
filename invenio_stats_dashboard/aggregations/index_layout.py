# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Determine which index holds which documents of an aggregate family.

The name of an index contains the first year that it holds. The index holds all years
from then on, up to the first year of the next index of the family. The index of a
document therefore follows from its family, its day and the names of the existing
indices.

Each index has its own write alias with a random suffix. If all indices are deleted and
created again while a writer is frozen, that writer uses an alias that no longer exists,
and OpenSearch refuses its documents.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch

from ..search.foreign_indices import is_ours
from ..search.names import FAMILIES, INTERNAL, META_KEY, Names
from .documents import CHECKSUM

_WANTED = (
    "*.aliases",
    "*.mappings._meta",
    f"*.mappings.properties.{CHECKSUM}",
    "*.settings.index.uuid",
    "*.settings.index.number_of_shards",
)
_WRITE = "write"


@dataclass(frozen=True)
class FamilyIndex:
    """An index of an aggregate family.

    Attributes:
        name: name of the index.
        start: first year that it holds.
        write_alias: alias through which documents are written.
        uuid: UUID of the index. An index that is recreated or restored has another one.
        shards: number of its primary shards.
    """

    name: str
    start: int
    write_alias: str
    uuid: str
    shards: int


@dataclass(frozen=True)
class Layout:
    """The indices of all aggregate families at one point in time.

    Attributes:
        families: family -> its indices, by their first year.
        unused: indices of this package that are in no alias, so nothing reads or writes
            them. A run was killed while it created them, or they were restored without
            aliases.
        yearly: indices for a single year, from versions before the first release.
    """

    families: dict[str, tuple[FamilyIndex, ...]]
    unused: tuple[str, ...] = ()
    yearly: tuple[str, ...] = ()

    def holding(self, family: str, day: str) -> FamilyIndex | None:
        """Return the index that holds documents of a day, or None.

        Args:
            family: family of the document.
            day: ``YYYY-MM-DD``.
        """
        indices = self.families[family]
        found = bisect_right(indices, int(day[:4]), key=lambda index: index.start)
        return indices[found - 1] if found else None

    def named(self, name: str) -> FamilyIndex | None:
        """Return the index of a name, or None if it belongs to no family."""
        for indices in self.families.values():
            for index in indices:
                if index.name == name:
                    return index
        return None


def write_alias_name(index: str, token: str) -> str:
    """Return the name of the write alias of an index.

    Args:
        index: name of the index.
        token: a suffix that no other index of this name ever has.
    """
    return f"{index}-{_WRITE}-{token}"


def read_layout(client: OpenSearch, names: Names) -> Layout:
    """Read the current layout from the cluster, in one request."""
    found = client.indices.get(
        index=",".join(f"{names.prefix}stats-community-{part}-*" for part in _PARTS),
        params={"filter_path": ",".join(_WANTED)},
    )
    families: dict[str, list[FamilyIndex]] = {f: [] for f in (*FAMILIES, *INTERNAL)}
    unused = []
    for name, details in sorted(found.items()):
        family, start = _place(names, name)
        if family is None or start is None or META_KEY not in _meta(details):
            continue
        prefix = write_alias_name(name, "")
        aliases = [a for a in details.get("aliases", {}) if a.startswith(prefix)]
        if not aliases:
            unused.append(name)
            continue
        settings = details["settings"]["index"]
        shards = int(settings["number_of_shards"])
        families[family].append(
            FamilyIndex(name, start, min(aliases), settings["uuid"], shards)
        )
    return Layout(
        {family: tuple(indices) for family, indices in families.items()},
        tuple(unused),
        tuple(
            name
            for name, details in sorted(found.items())
            if names.is_yearly(name)
            and is_ours(names, name, details.get("mappings", {}))
        ),
    )


_PARTS = sorted({family.partition("-")[0] for family in (*FAMILIES, *INTERNAL)})
"""The first word of the name of each family."""


def _place(names: Names, index: str) -> tuple[str, int] | tuple[None, None]:
    """Return the family of an index and its first year, or None for both."""
    for family in (*FAMILIES, *INTERNAL):
        if (start := names.year_from(family, index)) is not None:
            return family, start
    return None, None


def _meta(details: dict[str, Any]) -> dict[str, Any]:
    return details.get("mappings", {}).get("_meta", {})
