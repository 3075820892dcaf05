# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What the database tells of a record's membership, and when it came about.

Dates are those of the best evidence there is. Its kinds, as stored in events:

``request``
    The acceptance of the request that brought the record in.
``created``
    The later of the creation of the record and that of the community; for
    ``global`` the creation of the record, which is its publication.
``row``
    The moment in which the row of the membership was inserted or deleted, which live
    capture has noticed.
``tombstone``
    The removal date in the tombstone of the record or the community.
``history``
    The record's earlier states, which the database keeps.
``record``, ``parent``, ``community``
    The last change of that row: it happened then at the latest.
``next-request``
    The creation of the request for coming in again: it happened before that.
``now``
    Nothing is known; the moment in which it was noticed.
"""

from dataclasses import replace

from msgspec import structs

from .documents import GLOBAL
from .timeline import Bound, Stay, Truth


def truth_of(row, written=None):
    """Return the membership of a record with its dates.

    Args:
        row: a :class:`.record_rows.RecordRow`.
        written: community -> (whether the row of the membership was inserted or
            deleted, moment), for those of which that was noticed.

    Returns:
        Truth: its stays in communities and in ``global``.
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


def _stays(row, community_id, present, ended, gone=None):
    """Return the stays in one community, without regard to deleted records.

    Args:
        row: what the database holds of the record.
        community_id: UUID of the community.
        present: its row of the parent-community table, or None.
        ended: the accepted requests whose row is gone.
        gone: when a row was deleted, if that was noticed.
    """
    ended = sorted(ended, key=lambda request: request.accepted)
    if present and present.accepted:
        ended = [r for r in ended if r.accepted < present.accepted]
    elif present and ended:
        # added again without a request: nothing tells when, or whether it ever left
        present = structs.replace(
            present, requested=ended[0].requested, accepted=ended[0].accepted
        )
        ended = []
    following = [*ended[1:], *([present] if present else [])]
    stays = []
    for index, request in enumerate(ended):
        end, by = row.parent_updated, "parent"
        if index < len(following):
            end, by = following[index].requested, "next-request"
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


def _begun(row, community_id, accepted, community_created=None):
    """Return a lasting stay: since its acceptance, or since it was possible."""
    if accepted and accepted >= row.created:
        return Stay(community_id, _second(accepted), added_by="request")
    moments = [row.created]
    if community_created and not accepted:
        moments.append(community_created)
    return Stay(community_id, _second(max(moments)), added_by="created")


def _deletions(row):
    """Return (deleted, restored, evidence) of all deletions of the record."""
    spans = [
        (_second(span.deleted), _second(span.restored), "history")
        for span in row.deletions
    ]
    if row.deleted:
        spans.append((_second(row.deleted), None, row.deleted_by))
    return spans


def _less(stay, deleted, restored, by):
    """Return the parts of a stay outside [deleted, restored)."""
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


def _bounds(row, written):
    """Return the latest moment at which each state can have begun."""
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
        moment = _written(written, community_id, added=community_id in present)
        if moment:
            bounds[community_id] = Bound(_second(moment), "row")
    return bounds


def _written(written, community_id, added):
    """Return when a row was inserted, or deleted, if that was noticed."""
    was_added, moment = written.get(community_id, (None, None))
    return moment if was_added is added else None


def _second(moment):
    """Return the second of a database's moment; None stays None."""
    return moment and moment[:19]
