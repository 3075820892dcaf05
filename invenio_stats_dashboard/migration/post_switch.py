# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""After a switch: what the backup holds is in service too, and only then deletion."""

from contextlib import contextmanager

import msgspec
from opensearchpy.exceptions import NotFoundError

from ..errors import LockLostError, StatsDashboardError
from ..search import bulk
from ..search.documents import Bookmark, by_shard
from ..search.seqno import NOTHING, page, settled_positions
from . import alias_actions
from .backup_proof import holds_all
from .comparison import ComparedIndex, compare_day, fingerprints_of_both
from .copier import ALIAS_MISSING
from .report import DONE

_ROUNDS = 3
_IDS = 1000


class NotTheSameError(StatsDashboardError):
    """A backup holds something that the index in service does not."""


def compare_with_backup(run, month, bookmark):
    """See that the index that serves holds all of a backup; bring what is missing.

    Both are read, event by event, where :func:`~.backup_proof.holds_all` cannot tell.

    Args:
        run: the :class:`~.run_context.MigrationRun`.
        month: the :class:`~..usage_events.indices.Month`, switched.
        bookmark: its bookmark.

    Returns:
        int: events that were brought over.

    Raises:
        NotTheSameError: events differ, and were not written since the switch.
    """
    if not run.options.fresh_start and holds_all(run, month, bookmark.data):
        return 0
    return bring_over(run, month, month.backup.name, _settled(bookmark), bookmark)


def bring_over_check(run, month):
    """Compare a backup with the index that serves; changes nothing.

    Raises:
        NotTheSameError: the text says what differs.
    """
    bookmark = Bookmark(run.client, run.names.reindexing, month.id)
    old, new = month.backup.name, month.target.name
    found, _ = _differences(run, old, new, _settled(bookmark))
    if found:
        raise NotTheSameError(_sentence(old, new, found))


def _settled(bookmark):
    """Return how far the index in service was written when it was switched."""
    return by_shard((bookmark.data.get("switch") or {}).get("serving") or {})


def _sentence(old, new, found):
    days = "; ".join(f"{day}: {difference}" for day, difference in found.items())
    return f"{new} does not hold what {old} holds: {days}."


def bring_over(run, month, old, settled, bookmark):
    """See that everything of an old index is in the one that serves.

    What is there is never overwritten.

    Args:
        run: the :class:`~.run_context.MigrationRun`.
        month: the :class:`~..usage_events.indices.Month`, switched.
        old: name of the index that holds the old data.
        settled: shard of the new index -> position above which an event was
            written since, and may differ.
        bookmark: the month's bookmark.

    Returns:
        int: events that were brought over.

    Raises:
        NotTheSameError: they still differ.
    """
    new, brought = month.target.name, 0
    for _ in range(_ROUNDS):
        found, missing = _differences(run, old, new, settled)
        if not found:
            return brought
        if not missing:
            break
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


def _differences(run, old, new, settled):
    """Return day -> what is missing or changed, and all missing ids."""
    left, right = _side(run, old, None), _side(run, new, settled)
    text, check = run.copier.text_client, run.copier.check
    mine, theirs = fingerprints_of_both(text, left, right, pause=check)
    found, missing = {}, set()
    for day in mine.differing(theirs):
        count = max(mine.counts().get(day, 0), theirs.counts().get(day, 0))
        difference = compare_day(text, left, right, day, count, check)
        # what only the new index has was written since
        if difference.missing or difference.changed:
            found[day] = difference
            missing |= difference.missing
    return found, missing


def _side(run, index, settled):
    found = settled_positions(run.client, index)
    upto = {shard: p.last for shard, p in found.items()}
    return ComparedIndex(index, upto, upto if settled is None else {**settled})


def _create(run, old, new, ids):
    """Write single events to the index in service if they are not there."""
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
            for hit, (_, source) in zip(hits, sources, strict=True)
        ]
        refusals = bulk.write(
            run.copier.text_client,
            # by this run's mark: after a rollback the name would be made anew
            alias_actions.mark_of(new, run.id),
            actions,
            run.copier.write_limit,
            params={"require_alias": "true"},
            waiting=run.copier.waiting,
            sleep=run.copier.sleep,
        )
        if any(r.type == ALIAS_MISSING for r in refusals):
            raise LockLostError(f"{new} was taken over by another run.")
        if refusals:
            raise NotTheSameError(
                f"{len(refusals)} events of {old} are refused by {new}; the first is "
                f"{refusals[0]}."
            )
        count += len(hits)
    return count


def merge_beside(run, month, bookmark):
    """Take legacy indices of a month that serve beside the enriched one out.

    An index that was restored from a snapshot brings its read alias along, and
    all its events are seen twice. What it has and the enriched one has not is
    brought over; then it leaves the read alias.
    """
    read = run.names.events_alias(month.event_type)
    for index in month.legacy:
        if read not in index.aliases:
            continue
        run.step("merge")
        if index.closed:
            raise StatsDashboardError(
                f"The index {index.name} is closed and in the alias {read}. Open it, "
                "or take it out of the alias, and run this month again."
            )
        # nothing may come to it behind what is brought over
        run.client.transport.perform_request("PUT", f"/{index.name}/_block/write")
        run.client.indices.flush(index=index.name, wait_if_ongoing=True)
        newer = {shard: NOTHING for shard in range(month.target.shards)}
        bring_over(run, month, index.name, newer, bookmark)
        run.step("merged")
        run.client.indices.update_aliases(
            body={"actions": [{"remove": {"index": index.name, "alias": read}}]}
        )


def delete_backup(run, month, bookmark, accept_deletions=False):
    """Delete the backup of a month, after reading it and the index in service again.

    Nothing is brought over: both were the same after the switch, so what the index
    in service lacks now was deleted from it, and only a person knows whether that was
    meant.

    Args:
        run: the :class:`~.run_context.MigrationRun`.
        month: the :class:`~..usage_events.indices.Month`, switched.
        bookmark: its bookmark.
        accept_deletions: what the index in service lacks was deleted on purpose.

    Raises:
        NotTheSameError: the index in service does not hold all of it.
        StatsDashboardError: the month is not done, or the index is in an alias, so
            that somebody reads it.
        LockLostError: another run has the month.
    """
    name = month.backup.name
    if bookmark.data.get("state") != DONE:
        raise StatsDashboardError(
            f"{name} has not been compared with the index in service; run the "
            "migration of that month again first."
        )
    new = month.target.name
    found, missing = _differences(run, name, new, _settled(bookmark))
    # one that was written again while both were read is there after all
    missing = _absent(run.client, new, missing)
    if any(difference.changed for difference in found.values()):
        raise NotTheSameError(
            f"{_sentence(name, new, found)} Nothing was deleted. Look at these events in "
            "both; if the index in service is right, delete the backup by hand."
        )
    if missing and not accept_deletions:
        only = f"--event-types {month.event_type} --months {month.month}"
        raise NotTheSameError(
            f"{_sentence(name, new, found)} Both were the same after the switch. If "
            "this was deleted on purpose, use 'usage-events cleanup "
            f"--accept-deletions {only}'; if not, 'usage-events migrate --fresh-start "
            f"{only}' brings it back."
        )
    with serving_claimed(run, month, bookmark):
        _delete(run, month, name)
        bookmark.write(backup=None, error=None)


def _delete(run, month, name):
    client = run.client
    try:
        found = client.indices.get_alias(index=name)[name]["aliases"]
    except NotFoundError:
        return
    read = sorted(a for a in found if not alias_actions.is_mark(name, a))
    if read:
        raise StatsDashboardError(
            f"{name} is in the alias {read[0]}; an index that is read is not deleted."
        )
    run.step("delete backup")
    serving = month.target.name
    alias_actions.remove_index(
        client, (serving, alias_actions.mark_of(serving, run.id)), name
    )
    run.step("backup deleted")


def _absent(client, index, ids):
    """Return those of some ids that an index does not hold at this moment."""
    absent = set()
    for part in _parts(sorted(ids)):
        answer = client.mget(index=index, body={"ids": part}, _source=False)
        absent |= {doc["_id"] for doc in answer["docs"] if not doc.get("found")}
    return absent


@contextmanager
def serving_claimed(run, month, bookmark):
    """Make a switched month this run's own for as long as it changes it.

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


def _parts(ids):
    return [ids[i : i + _IDS] for i in range(0, len(ids), _IDS)]
