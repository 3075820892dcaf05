# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The steps by which names move from one index to another, each of them atomic.

Whoever works on a month marks its indices with aliases of its own: the *fence*
on the index that shall serve, the *mark* on the one that has served. Claiming a
month replaces everybody else's. Each step that others can see needs them: alias
actions begin by removing one with ``must_exist``, so that OpenSearch refuses the
whole call when it is gone; a write block is set and lifted through the mark
instead of the index's name, so that it cannot hit what serves under that name
later. So a process that was frozen, and whose work somebody else has taken over,
can change nothing when it wakes.
"""

from contextlib import suppress
from dataclasses import dataclass

from opensearchpy.exceptions import NotFoundError, TransportError

from ..errors import LockLostError

_SWITCH = "-switch-"


def mark_of(index, run):
    """Return the alias by which a run makes an index its own."""
    return f"{index}{_SWITCH}{run}"


@dataclass(frozen=True)
class CutoverNames:
    """The names that a switch moves.

    Attributes:
        read: the stock read alias of the family.
        month: the stock name of the month, an index or an alias.
        old: index that has served.
        new: index that shall serve.
        run: who works on them; part of the fence and of the mark.
    """

    read: str
    month: str
    old: str
    new: str
    run: str

    @property
    def fence(self):
        """Return this run's alias on the new index."""
        return mark_of(self.new, self.run)

    @property
    def mark(self):
        """Return this run's alias on the old index."""
        return mark_of(self.old, self.run)


def _lost(what):
    return LockLostError(
        f"{what} was taken over by another run; this one has stopped and changed "
        "nothing since."
    )


def _says_lost(error):
    """Tell whether alias actions were refused because a fence or index is gone."""
    reason = str(error.info)
    return (
        "aliases_not_found" in reason
        or "matches an alias" in reason
        or (isinstance(error, NotFoundError) and "index_not_found" in reason)
    )


def _act(client, guards, actions, what, keep=()):
    """Apply alias actions if all guards are there.

    Args:
        client: an ordinary client.
        guards: ``(index, alias)`` pairs that must exist.
        actions: what to do then.
        what: name of what is worked on, for the sentence.
        keep: the guards that are put back in the same call.
    """
    needed = [
        {"remove": {"index": index, "alias": alias, "must_exist": True}}
        for index, alias in guards
    ]
    kept = [{"add": {"index": index, "alias": alias}} for index, alias in keep]
    try:
        client.indices.update_aliases(
            body={"actions": [*needed, *actions, *kept]},
            params={"request_timeout": 60},
        )
    except TransportError as error:
        if not _says_lost(error):
            raise
        raise _lost(what) from error


def claim(client, run, *indices):
    """Make indices one run's own; every other run's marks on them are removed.

    Args:
        client: an ordinary client.
        run: unique id of the run.
        *indices: names; one that does not exist is left out.

    Raises:
        LockLostError: a name is an alias now, so that another run has switched.
    """
    actions = []
    for index in indices:
        others, found = _marks(client, index)
        if not found:
            continue
        mine = mark_of(index, run)
        actions += [
            {"remove": {"index": index, "alias": alias, "must_exist": False}}
            for alias in others
            if alias != mine
        ]
        actions.append({"add": {"index": index, "alias": mine}})
    if actions:
        _act(client, (), actions, indices[0])


def release(client, run, *indices):
    """Take a run's marks off indices; those of others stay."""
    for index in indices:
        others, _ = _marks(client, index)
        mine = mark_of(index, run)
        if mine in others:
            _take_off(client, index, [mine])


def remove_marks(client, *indices):
    """Take everybody's marks off indices that are in nobody's work any more."""
    for index in indices:
        others, _ = _marks(client, index)
        if others:
            _take_off(client, index, others)


def _take_off(client, index, marks):
    actions = [
        {"remove": {"index": index, "alias": mark, "must_exist": False}}
        for mark in marks
    ]
    with suppress(NotFoundError):  # else somebody else was quicker
        client.indices.update_aliases(body={"actions": actions})


def _marks(client, index):
    """Return the marks on an index, and whether there is such an index."""
    try:
        found = client.indices.get_alias(index=index)
    except NotFoundError:
        return [], False
    if index not in found:
        raise _lost(index)
    prefix = f"{index}{_SWITCH}"
    return [a for a in found[index]["aliases"] if a.startswith(prefix)], True


def is_mark(index, alias):
    """Tell whether an alias is a mark of the migration, which nobody reads by."""
    return alias.startswith(f"{index}{_SWITCH}")


def move_read_alias(client, names):
    """Let readers see the new index instead of the old one."""
    guards = [(names.new, names.fence), (names.old, names.mark)]
    actions = [
        {"add": {"index": names.new, "alias": names.read}},
        {"remove": {"index": names.old, "alias": names.read, "must_exist": False}},
    ]
    _act(client, guards, actions, names.month, keep=guards)


def take_over_month(client, names, remove_old):
    """Let writers write to the new index: the last call of a switch.

    Args:
        client: an ordinary client.
        names: the :class:`CutoverNames`.
        remove_old: delete the old index in the same call, because its own name is
            the month's; otherwise only the alias moves.
    """
    guards = [(names.new, names.fence)]
    if remove_old:
        actions = [{"remove_index": {"index": names.old}}]
    else:
        guards.append((names.old, names.mark))
        actions = [
            {"remove": {"index": names.old, "alias": names.month}},
        ]
    actions.append({"add": {"index": names.new, "alias": names.month}})
    try:
        _act(client, guards, actions, names.month)
    except LockLostError:
        if not serves(client, names):
            raise  # else it was applied, only its answer was lost


def give_back(client, names):
    """Move both names of a month in one call; no index is removed.

    Only for an index whose own name is not the month's: then no search runs into
    a removed index, and both names can move at once. The fence stays on the new
    index, so that this run can go on to remove the old one.
    """
    fence = (names.new, names.fence)
    actions = [
        {"remove": {"index": names.old, "alias": names.month}},
        {"remove": {"index": names.old, "alias": names.read}},
        {"add": {"index": names.new, "alias": names.month}},
        {"add": {"index": names.new, "alias": names.read}},
    ]
    guards = [fence, (names.old, names.mark)]
    try:
        _act(client, guards, actions, names.month, keep=[fence])
    except LockLostError:
        mine, _ = _marks(client, names.new)
        if not (serves(client, names) and names.fence in mine):
            raise


def bring_back(client, names):
    """Let readers see the old index again, and take the fence off the new one.

    Afterwards the last call of this switch is refused for ever, even if it is on
    its way.

    Returns:
        bool: False if the last call had been made after all, so that there is
        nothing to bring back.

    Raises:
        LockLostError: somebody else has claimed the month.
    """
    mark = (names.old, names.mark)
    actions = [{"add": {"index": names.old, "alias": names.read}}]
    if client.indices.exists(index=names.new):
        actions += [
            {"remove": {"index": names.new, "alias": alias, "must_exist": False}}
            for alias in (names.fence, names.read)
        ]
    try:
        _act(client, [mark], actions, names.month, keep=[mark])
    except LockLostError:
        if serves(client, names):
            return False
        raise
    return True


def hand_on(client, names, other):
    """Replace this run's marks by those of other names, if they are still there.

    Afterwards no request of this run that is on its way is applied any more.

    Args:
        client: an ordinary client.
        names: the :class:`CutoverNames` with the marks that are there.
        other: the same with another ``run``.
    """
    guards = [(names.new, names.fence), (names.old, names.mark)]
    added = [(other.new, other.fence), (other.old, other.mark)]
    _act(client, guards, [], names.month, keep=added)


def remove_index(client, guard, index):
    """Delete an index if a guard is there.

    Args:
        client: an ordinary client.
        guard: ``(index, alias)`` of this run on another index, which stays.
        index: name of the index; an alias is refused.
    """
    _act(client, [guard], [{"remove_index": {"index": index}}], index, keep=[guard])


def serves(client, names):
    """Tell whether the month's name leads to the new index."""
    try:
        return (
            names.month
            in client.indices.get_alias(index=names.new)[names.new]["aliases"]
        )
    except NotFoundError:
        return False


def block_writes(client, mark, timeout=60):
    """Refuse writes to an index; returns when running ones have ended.

    Args:
        client: an ordinary client.
        mark: this run's alias on the index, never the index's own name.
        timeout: seconds for the request.
    """
    try:
        client.transport.perform_request(
            "PUT", f"/{mark}/_block/write", params={"request_timeout": timeout}
        )
    except NotFoundError as error:
        raise _lost(mark.partition(_SWITCH)[0]) from error


def is_blocked(client, index):
    """Tell whether writes to an index are refused."""
    settings = client.indices.get_settings(index=index, name="index.blocks.write")
    blocks = [
        s["settings"].get("index", {}).get("blocks", {}) for s in settings.values()
    ]
    return any(block.get("write") == "true" for block in blocks)


def lift_block(client, mark):
    """Let an index be written again.

    Args:
        client: an ordinary client.
        mark: this run's alias on the index, never the index's own name.
    """
    try:
        client.indices.put_settings(index=mark, body={"index.blocks.write": None})
    except NotFoundError as error:
        raise _lost(mark.partition(_SWITCH)[0]) from error
