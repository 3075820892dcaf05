# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Changes of memberships that live capture has noticed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec


@dataclass(frozen=True)
class MembershipChanges:
    """Changes that live capture has noticed.

    Attributes:
        parent_ids: UUIDs of parents whose membership may have changed.
        community_ids: UUIDs of communities that were deleted or restored, or whose
            visibility was changed.
        rows: (UUID of the parent, UUID of the community, True if the row of the
            membership was inserted and False if it was deleted, time of the write) for
            the memberships whose row was noticed.
    """

    parent_ids: tuple[str, ...] = ()
    community_ids: tuple[str, ...] = ()
    rows: tuple[tuple[str, str, bool, str], ...] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "MembershipChanges":
        """Return the changes that a message or a stored document contains.

        Args:
            content: JSON values by attribute; other keys are ignored.

        Raises:
            msgspec.ValidationError: a value has the wrong type.
        """
        return msgspec.convert(content, cls)

    @classmethod
    def together(cls, changes: Iterable["MembershipChanges"]) -> "MembershipChanges":
        """Combine changes; for the same row, the last write counts."""
        changes = list(changes)
        return cls(
            tuple(dict.fromkeys(id_ for c in changes for id_ in c.parent_ids)),
            tuple(dict.fromkeys(id_ for c in changes for id_ in c.community_ids)),
            tuple(row for c in changes for row in c.rows),
        )

    @property
    def written(self) -> dict[str, dict[str, tuple[bool, str]]]:
        """The rows as parent -> community -> (whether it was inserted, time)."""
        written: dict[str, dict[str, tuple[bool, str]]] = {}
        # Messages of several workers can arrive in any order.
        for parent_id, community_id, was_added, moment in sorted(
            self.rows, key=itemgetter(3)
        ):
            written.setdefault(parent_id, {})[community_id] = (was_added, moment)
        return written
