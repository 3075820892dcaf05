# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Derive the membership of a record and its dates from the database.

Each date comes from the best evidence that exists. Events store these kinds of
evidence:

``request``
    The acceptance of the request to include the record.
``created``
    The later of the creation of the record and that of the community. For ``global``,
    the creation of the record, which is its publication.
``row``
    The time at which the row of the membership was inserted or deleted, as live
    capture noticed it.
``tombstone``
    The removal date in the tombstone of the record or the community.
``history``
    The record's earlier states, which the database stores.
``record``, ``parent``, ``community``
    The last change of that row, which is the latest possible date.
``next-request``
    The creation of the next request to include the record, which came later.
``now``
    No evidence exists; the time at which the change was found.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias, cast, overload

from msgspec import structs

from .documents import GLOBAL
from .record_rows import AcceptedRequest, CommunityRow, RecordRow
from .timeline import Bound, Stay, Truth

WrittenRows: TypeAlias = Mapping[str, tuple[bool, str]]
"""Community -> (True if its row was inserted, False if deleted; time of the write)."""

_Deletion: TypeAlias = tuple[str, str | None, str | None]


def truth_of(row: RecordRow, written: WrittenRows | None = None) -> Truth:
    """Return the membership of a record with its dates.

    Args:
        row: the record in the database.
        written: the membership rows whose insertion or deletion was noticed.
    """
    written = written or {}
    stays = [Stay(GLOBAL, _second(row.created))]
    present = {c.community_id: c for c in row.communities}
    for community_id in sorted(present.keys() | {r.community_id for r in row.ended}):
        ended = [r for r in row.ended if r.community_id == community_id]
        gone = _written(written, community_id, added=False)
        stays += _stays(row, community_id, present.get(community_id), ended, gone)
    for deleted, restored, by in _deletions(row):
        stays = [part for stay in stays for part in _less(stay, deleted, restored, by)]
    return Truth(
        record_id=row.record_id,
        recid=row.recid,
        parent_id=row.parent_id,
        created=_second(row.created),
        published=row.published,
        deleted=_second(row.deleted),
        stays=tuple(stays),
        bounds=_bounds(row, written),
        bound=Bound(_second(row.parent_updated), "parent"),
    )


def _stays(
    row: RecordRow,
    community_id: str,
    present: CommunityRow | None,
    ended: list[AcceptedRequest],
    gone: str | None = None,
) -> list[Stay]:
    """Return the stays in one community, as if the record had never been deleted.

    Args:
        row: the record in the database.
        community_id: UUID of the community.
        present: its row in the parent-community table, or None.
        ended: the accepted requests whose row no longer exists.
        gone: when a row was deleted, if live capture noticed that.
    """
    ended = sorted(ended, key=lambda request: request.accepted)
    if present and present.accepted:
        ended = [r for r in ended if r.accepted < present.accepted]
    elif present and ended:
        # The record may have left and been added again without a request. No evidence
        # shows whether or when.
        present = structs.replace(
            present, requested=ended[0].requested, accepted=ended[0].accepted
        )
        ended = []
    following: list[AcceptedRequest | CommunityRow] = [
        *ended[1:],
        *([present] if present else []),
    ]
    stays = []
    for index, request in enumerate(ended):
        end, by = row.parent_updated, "parent"
        if index < len(following):
            # Not None: a row without a request leaves no ended requests (see above).
            end, by = cast(str, following[index].requested), "next-request"
        if gone and request.accepted < gone and (by == "parent" or gone < end):
            end, by = gone, "row"
        if end > max(request.accepted, row.created):
            stay = _begun(row, community_id, request.accepted)
            stays.append(replace(stay, removed=_second(end), removed_by=by))
    if present:
        stay = _begun(row, community_id, present.accepted, present.created)
        gone = _second(present.deleted)
        stays += _less(stay, gone, None, present.deleted_by) if gone else [stay]
    return stays


def _begun(
    row: RecordRow,
    community_id: str,
    accepted: str | None,
    community_created: str | None = None,
) -> Stay:
    """Return a stay without an end.

    It begins with the acceptance if that is known, otherwise at the earliest possible
    date.
    """
    if accepted and accepted >= row.created:
        return Stay(community_id, _second(accepted), added_by="request")
    moments = [row.created]
    if community_created and not accepted:
        moments.append(community_created)
    return Stay(community_id, _second(max(moments)), added_by="created")


def _deletions(row: RecordRow) -> list[_Deletion]:
    """Return (deleted, restored, evidence) of all deletions of the record."""
    spans: list[_Deletion] = [
        (_second(span.deleted), _second(span.restored), "history")
        for span in row.deletions
    ]
    if row.deleted:
        spans.append((_second(row.deleted), None, row.deleted_by))
    return spans


def _less(stay: Stay, deleted: str, restored: str | None, by: str | None) -> list[Stay]:
    """Cut a deletion out of a stay; return the remaining stays."""
    if stay.removed is not None and stay.removed <= deleted:
        return [stay]
    if restored is not None and restored <= stay.added:
        return [stay]
    parts = []
    if stay.added <= deleted:
        parts.append(replace(stay, removed=deleted, removed_by=by))
    if restored is not None and (stay.removed is None or restored < stay.removed):
        parts.append(replace(stay, added=restored, added_by="history"))
    return parts


def _bounds(row: RecordRow, written: WrittenRows) -> dict[str, Bound]:
    """Return for each community the latest time at which its state can have begun."""
    bounds = {GLOBAL: Bound(_second(row.updated), "record")}
    for community in row.communities:
        moment, evidence = max(
            (row.parent_updated, "parent"),
            (community.updated, "community"),
            (row.updated, "record"),
        )
        bounds[community.community_id] = Bound(_second(moment), evidence)
    present = {community.community_id for community in row.communities}
    for community_id in written:
        noticed = _written(written, community_id, added=community_id in present)
        if noticed:
            bounds[community_id] = Bound(_second(noticed), "row")
    return bounds


def _written(written: WrittenRows, community_id: str, added: bool) -> str | None:
    """Return when a row was inserted or deleted, if live capture noticed that."""
    was_added, moment = written.get(community_id, (None, None))
    return moment if was_added is added else None


@overload
def _second(moment: str) -> str: ...
@overload
def _second(moment: None) -> None: ...
@overload
def _second(moment: str | None) -> str | None: ...
def _second(moment: str | None) -> str | None:
    """Return a database timestamp cut to the second; None stays None."""
    return moment and moment[:19]
