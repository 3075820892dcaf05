# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compare the backup with the index in service after a cut-over, then delete it.

Events that the index in service lacks are copied to it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from ..errors import LockLostError, StatsDashboardError
from ..search import bulk
from ..search.compare_and_set import Bookmark, by_shard
from ..search.multi_get import get_many
from ..search.seqno import NOTHING, page, settled_positions
from ..usage_events.indices import Month
from . import alias_actions
from .backup_completeness import holds_all
from .comparison import ComparedIndex, DayDifference, compare_day, fingerprints_of_both
from .report import DONE
from .run_context import MigrationRun
from .target_index import NO_PIPELINE

_ROUNDS = 3
_IDS = 1000


class NotTheSameError(StatsDashboardError):
    """A backup holds events that the index in service lacks or has changed."""


def compare_with_backup(run: MigrationRun, month: Month, bookmark: Bookmark) -> int:
    """Ensure that the index in service holds all events of the backup.

    If :func:`~.backup_completeness.holds_all` finds no proof, both indices are read.

    Args:
        run: the run that compares.
        month: a month after its cut-over; it has a backup.
        bookmark: the month's bookmark.

    Returns:
        The number of events that were copied from the backup.

    Raises:
        NotTheSameError: events differ that were not written since the cut-over.
    """
    assert month.backup is not None
    if not run.options.fresh_start and holds_all(run, month, bookmark.data):
        return 0
    return bring_over(run, month, month.backup.name, _settled(bookmark), bookmark)


def bring_over_check(run: MigrationRun, month: Month) -> None:
    """Compare a backup with the index in service; change nothing.

    Raises:
        NotTheSameError: the text states what differs.
    """
    assert month.target is not None and month.backup is not None
    bookmark = Bookmark(run.client, run.names.reindexing, month.id)
    old, new = month.backup.name, month.target.name
    found, _ = _differences(run, old, new, _settled(bookmark))
    if found:
        raise NotTheSameError(_sentence(old, new, found))


def _settled(bookmark: Bookmark) -> dict[int, int]:
    """Return shard -> last position of the index in service at the cut-over."""
    return by_shard((bookmark.data.get("switch") or {}).get("serving") or {})


def _sentence(old: str, new: str, found: Mapping[str, DayDifference]) -> str:
    days = "; ".join(f"{day}: {difference}" for day, difference in found.items())
    return f"{new} differs from {old}: {days}."


def bring_over(
    run: MigrationRun,
    month: Month,
    old: str,
    settled: Mapping[int, int],
    bookmark: Bookmark,
) -> int:
    """Copy the events to the index in service that only an old index holds.

    Existing events are never overwritten.

    Args:
        run: the run that copies.
        month: a month after its cut-over.
        old: name of the index that holds the old data.
        settled: shard of the index in service -> last position at the cut-over. Later
            events may differ.
        bookmark: the month's bookmark.

    Returns:
        The number of events that were copied.

    Raises:
        NotTheSameError: the indices still differ afterwards.
        LockLostError: another run has the month.
    """
    assert month.target is not None
    new, brought = month.target.name, 0
    pipeline = month.target.settings.get("final_pipeline")
    for _ in range(_ROUNDS):
        found, missing = _differences(run, old, new, settled)
        if not found:
            return brought
        if not missing:
            break
        if pipeline not in (None, NO_PIPELINE):
            raise NotTheSameError(
                f"{_sentence(old, new, found)} These events are not copied, because "
                f"they would pass the final pipeline {pipeline} of {new} a second "
                "time. Set index.final_pipeline to _none for the time of the "
                "migration, then run the same command again."
            )
        with serving_claimed(run, month, bookmark):
            run.step("bring over")
            for ids in _parts(sorted(missing)):
                brought += _create(run, old, new, ids)
    found, _ = _differences(run, old, new, settled)
    if found:
        raise NotTheSameError(
            f"{_sentence(old, new, found)} Nothing was deleted; {old} is complete."
        )
    return brought


def _differences(
    run: MigrationRun, old: str, new: str, settled: Mapping[int, int]
) -> tuple[dict[str, DayDifference], set[str]]:
    """Return the differing days, and the ids of all missing events."""
    left, right = _side(run, old, None), _side(run, new, settled)
    text, check = run.copier.text_client, run.copier.check
    mine, theirs = fingerprints_of_both(text, left, right, pause=check)
    found: dict[str, DayDifference] = {}
    missing: set[str] = set()
    for day in mine.differing(theirs):
        count = max(mine.counts().get(day, 0), theirs.counts().get(day, 0))
        difference = compare_day(text, left, right, day, count, check)
        # events that only the new index holds were written since the cut-over
        if difference.missing or difference.changed:
            found[day] = difference
            missing |= difference.missing
    return found, missing


def _side(
    run: MigrationRun, index: str, settled: Mapping[int, int] | None
) -> ComparedIndex:
    found = settled_positions(run.client, index)
    upto = {shard: p.last for shard, p in found.items()}
    return ComparedIndex(index, upto, upto if settled is None else {**settled})


def _create(run: MigrationRun, old: str, new: str, ids: Sequence[str]) -> int:
    """Copy single events to the index in service unless it holds them already.

    Returns:
        The number of events that were sent.
    """
    found = settled_positions(run.client, old)
    count = 0
    for shard, position in found.items():
        hits = page(
            run.copier.text_client,
            old,
            shard,
            NOTHING,
            position.last,
            _IDS,
            only={"ids": {"values": ids}},
        )
        if not hits:
            continue
        sources = run.copier.splicer.splice([hit.source for hit in hits])
        actions = [
            b'{"create":{"_id":%b}}\n%b\n' % (msgspec.json.encode(hit.id), source)
            for hit, (_, source, _) in zip(hits, sources, strict=True)
        ]
        refusals = bulk.write(
            run.copier.text_client,
            # through the claim alias: a write to the name of an index that a rollback
            # has removed would create it again
            alias_actions.mark_of(new, run.id),
            actions,
            run.copier.write_limit,
            params={"require_alias": "true", **bulk.PAST_PIPELINES},
            waiting=run.copier.waiting,
            sleep=run.copier.sleep,
        )
        if any(r.misses_index for r in refusals):
            raise LockLostError(f"Another run has taken over {new}.")
        if refusals:
            raise NotTheSameError(
                f"{new} refuses {len(refusals)} events of {old}; the first is "
                f"{refusals[0]}."
            )
        count += len(hits)
    return count


def merge_beside(run: MigrationRun, month: Month, bookmark: Bookmark) -> None:
    """Merge legacy indices in the read alias into the enriched index.

    An index that was restored from a snapshot has its read alias again, so readers see
    all its events twice. Events that the enriched index lacks are copied to it. Then
    the legacy index is removed from the read alias.

    Args:
        run: the run that merges.
        month: a month after its cut-over.
        bookmark: the month's bookmark.

    Raises:
        StatsDashboardError: such an index is closed.
        NotTheSameError: the indices differ afterwards.
    """
    assert month.target is not None
    read = run.names.events_alias(month.event_type)
    for index in month.legacy:
        if read not in index.aliases:
            continue
        run.step("merge")
        if index.closed:
            raise StatsDashboardError(
                f"The index {index.name} is closed and in the alias {read}. Open it, "
                "or remove it from the alias, then run this month again."
            )
        # no event may be added to it after the copy
        run.client.transport.perform_request("PUT", f"/{index.name}/_block/write")
        run.client.indices.flush(index=index.name, wait_if_ongoing=True)
        newer = {shard: NOTHING for shard in range(month.target.shards)}
        bring_over(run, month, index.name, newer, bookmark)
        run.step("merged")
        run.client.indices.update_aliases(
            body={"actions": [{"remove": {"index": index.name, "alias": read}}]}
        )


def delete_backup(
    run: MigrationRun, month: Month, bookmark: Bookmark, accept_deletions: bool = False
) -> None:
    """Delete the backup of a month, after reading it and the index in service again.

    No event is copied. After the cut-over the index in service held all events of the
    backup, so an event that it lacks now was deleted from it. Only the operator knows
    whether that was intended.

    Args:
        run: the run that deletes.
        month: a month after its cut-over; it has a backup.
        bookmark: the month's bookmark.
        accept_deletions: events missing from the index in service were deleted on
            purpose.

    Raises:
        NotTheSameError: the index in service lacks events, or has changed ones.
        StatsDashboardError: the month is not done, or the backup is in an alias that
            may be read.
        LockLostError: another run has the month.
    """
    assert month.target is not None and month.backup is not None
    name = month.backup.name
    if bookmark.data.get("state") != DONE:
        raise StatsDashboardError(
            f"{name} has not been compared with the index in service. Run the "
            "migration of that month again first."
        )
    new = month.target.name
    found, missing = _differences(run, name, new, _settled(bookmark))
    # an event that was written again while both were read may be present after all
    missing = _absent(run.client, new, missing)
    if any(difference.changed for difference in found.values()):
        raise NotTheSameError(
            f"{_sentence(name, new, found)} Nothing was deleted. Compare these events "
            "in both indices. If the index in service is right, delete the backup by "
            "hand."
        )
    if missing and not accept_deletions:
        only = f"--event-types {month.event_type} --months {month.month}"
        raise NotTheSameError(
            f"{_sentence(name, new, found)} After the cut-over nothing was missing. If "
            "these events were deleted on purpose, run 'usage-events cleanup "
            f"--accept-deletions {only}'. Otherwise run 'usage-events migrate "
            f"--fresh-start {only}' to copy them again."
        )
    with serving_claimed(run, month, bookmark):
        _delete(run, month, name)
        bookmark.write(backup=None, error=None)


def _delete(run: MigrationRun, month: Month, name: str) -> None:
    assert month.target is not None
    client = run.client
    try:
        found = client.indices.get_alias(index=name)[name]["aliases"]
    except NotFoundError:
        return
    read = sorted(a for a in found if not alias_actions.is_mark(name, a))
    if read:
        raise StatsDashboardError(
            f"{name} was not deleted, because it is in the alias {read[0]}. Remove it "
            "from the alias first."
        )
    run.step("delete backup")
    serving = month.target.name
    alias_actions.remove_index(
        client, (serving, alias_actions.mark_of(serving, run.id)), name
    )
    run.step("backup deleted")


def _absent(client: OpenSearch, index: str, ids: Iterable[str]) -> set[str]:
    """Return the ids that an index does not hold at this moment."""
    absent: set[str] = set()
    for part in _parts(sorted(ids)):
        found = get_many(client, [{"_id": id} for id in part], index, source=False)
        absent |= {id for id, doc in zip(part, found, strict=True) if not doc}
    return absent


@contextmanager
def serving_claimed(
    run: MigrationRun, month: Month, bookmark: Bookmark
) -> Iterator[None]:
    """Claim a month after its cut-over for the duration of a change.

    Raises:
        LockLostError: another run has the month.
    """
    run.copier.check()
    found = [i.name for i in (month.target, month.backup) if i]
    alias_actions.claim(run.client, run.id, *found)
    try:
        bookmark.write(run=run.id)
        yield
    finally:
        alias_actions.release(run.client, run.id, *found)


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[i : i + _IDS] for i in range(0, len(ids), _IDS)]
