# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Move aliases from one index to another, in atomic steps that only one run can make.

A run that works on a month adds its own claim alias to both indices: the *fence* to the
index that will serve, and the *mark* to the index that has served. Claiming a month
removes the claim aliases of all other runs.

Each step that readers or writers can see requires the claim. Alias actions begin by
removing a claim alias with ``must_exist``, so OpenSearch refuses the whole call if the
alias is missing. A write block is set and lifted through the mark instead of the
index's name, so it cannot hit an index that serves under that name later. A process
that was frozen while another run took over its month can therefore change nothing
when it wakes up.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, TransportError

from ..errors import LockLostError

_SWITCH = "-switch-"

Guard: TypeAlias = tuple[str, str]
"""Name of an index, and the claim alias that it must have."""

_Actions: TypeAlias = list[dict[str, dict[str, Any]]]


def mark_of(index: str, run: str) -> str:
    """Return the alias by which a run claims an index."""
    return f"{index}{_SWITCH}{run}"


@dataclass(frozen=True)
class CutoverNames:
    """The names that a cut-over moves.

    Attributes:
        read: the stock read alias of the event type.
        month: the stock name of the month, an index or an alias.
        old: index that has served.
        new: index that will serve.
        run: unique id of the run that works on them.
    """

    read: str
    month: str
    old: str
    new: str
    run: str

    @property
    def fence(self) -> str:
        """Return this run's claim alias on the new index."""
        return mark_of(self.new, self.run)

    @property
    def mark(self) -> str:
        """Return this run's claim alias on the old index."""
        return mark_of(self.old, self.run)


def _lost(what: str) -> LockLostError:
    return LockLostError(
        f"Another run has taken over {what}. This run has stopped and changed nothing "
        "since."
    )


def _is_lost(error: TransportError) -> bool:
    """Return whether actions were refused because a claim or an index is missing."""
    reason = str(error.info)
    return (
        "aliases_not_found" in reason
        or "matches an alias" in reason
        or (isinstance(error, NotFoundError) and "index_not_found" in reason)
    )


def _act(
    client: OpenSearch,
    guards: Iterable[Guard],
    actions: _Actions,
    what: str,
    keep: Iterable[Guard] = (),
) -> None:
    """Apply alias actions if all guards exist.

    Args:
        client: decodes responses.
        guards: claim aliases that must exist; the call removes them.
        actions: applied after that.
        what: name of the index or month, for the error.
        keep: guards that the same call adds again.

    Raises:
        LockLostError: a guard is missing; nothing was changed.
    """
    needed = [
        {"remove": {"index": index, "alias": alias, "must_exist": True}}
        for index, alias in guards
    ]
    again = [{"add": {"index": index, "alias": alias}} for index, alias in keep]
    try:
        client.indices.update_aliases(
            body={"actions": [*needed, *actions, *again]},
            params={"request_timeout": 60},
        )
    except TransportError as error:
        if not _is_lost(error):
            raise
        raise _lost(what) from error


def claim(client: OpenSearch, run: str, *indices: str) -> None:
    """Claim indices for a run, and remove the claim aliases of all other runs.

    Args:
        client: decodes responses.
        run: unique id of the run.
        *indices: names; an index that does not exist is skipped.

    Raises:
        LockLostError: a name is an alias now, so another run has made the cut-over.
    """
    actions: _Actions = []
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


def release(client: OpenSearch, run: str, *indices: str) -> None:
    """Remove a run's claim aliases from indices; those of other runs stay."""
    for index in indices:
        others, _ = _marks(client, index)
        mine = mark_of(index, run)
        if mine in others:
            _take_off(client, index, [mine])


def remove_marks(client: OpenSearch, *indices: str) -> None:
    """Remove the claim aliases of all runs from indices that no run works on."""
    for index in indices:
        others, _ = _marks(client, index)
        if others:
            _take_off(client, index, others)


def _take_off(client: OpenSearch, index: str, marks: Iterable[str]) -> None:
    actions = [
        {"remove": {"index": index, "alias": mark, "must_exist": False}}
        for mark in marks
    ]
    with suppress(NotFoundError):  # another process has removed the index
        client.indices.update_aliases(body={"actions": actions})


def _marks(client: OpenSearch, index: str) -> tuple[list[str], bool]:
    """Return the claim aliases on an index, and whether the index exists.

    Raises:
        LockLostError: the name is an alias.
    """
    try:
        found = client.indices.get_alias(index=index)
    except NotFoundError:
        return [], False
    if index not in found:
        raise _lost(index)
    prefix = f"{index}{_SWITCH}"
    return [a for a in found[index]["aliases"] if a.startswith(prefix)], True


def is_mark(index: str, alias: str) -> bool:
    """Return whether an alias is a claim alias of the migration; no reader uses it."""
    return alias.startswith(f"{index}{_SWITCH}")


def move_read_alias(client: OpenSearch, names: CutoverNames) -> None:
    """Move the read alias from the old index to the new one."""
    guards = [(names.new, names.fence), (names.old, names.mark)]
    actions: _Actions = [
        {"add": {"index": names.new, "alias": names.read}},
        {"remove": {"index": names.old, "alias": names.read, "must_exist": False}},
    ]
    _act(client, guards, actions, names.month, keep=guards)


def put_in_service(client: OpenSearch, names: CutoverNames, remove_old: bool) -> None:
    """Make the new index the month's write target: the last call of a cut-over.

    Args:
        client: decodes responses.
        names: the names of this cut-over.
        remove_old: delete the old index in the same call, because its own name is
            that of the month. Otherwise only the alias moves.

    Raises:
        LockLostError: another run has the month.
    """
    guards = [(names.new, names.fence)]
    actions: _Actions
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
            raise  # otherwise the call was applied and only its response was lost


def put_backup_in_service(client: OpenSearch, names: CutoverNames) -> None:
    """Move both names of a month in one call, without removing an index.

    This works only for an old index whose own name is not that of the month. No search
    can then meet a removed index, so both names can move at once. The fence stays on
    the new index. With it, this run can remove the old index later.

    Raises:
        LockLostError: another run has the month.
    """
    fence = (names.new, names.fence)
    actions: _Actions = [
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


def return_month(client: OpenSearch, names: CutoverNames) -> bool:
    """Give the read alias back to the old index, and remove the fence of the new one.

    Afterwards OpenSearch refuses the last call of this cut-over, even if the call was
    sent before and arrives later.

    Returns:
        False if the last call had already been applied, so that nothing was changed.

    Raises:
        LockLostError: another run has claimed the month.
    """
    mark = (names.old, names.mark)
    actions: _Actions = [{"add": {"index": names.old, "alias": names.read}}]
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


def hand_on(client: OpenSearch, names: CutoverNames, other: CutoverNames) -> None:
    """Replace this run's claim aliases with those of another run id.

    Afterwards OpenSearch refuses any request of this run that arrives late.

    Args:
        client: decodes responses.
        names: the names with the run id whose claim aliases exist.
        other: the same names with another ``run``.

    Raises:
        LockLostError: another run has the month.
    """
    guards = [(names.new, names.fence), (names.old, names.mark)]
    added = [(other.new, other.fence), (other.old, other.mark)]
    _act(client, guards, [], names.month, keep=added)


def remove_index(client: OpenSearch, guard: Guard, index: str) -> None:
    """Delete an index if a guard exists.

    Args:
        client: decodes responses.
        guard: this run's claim alias on another index, which is not deleted.
        index: name of the index; an alias is refused.

    Raises:
        LockLostError: the guard is missing.
    """
    _act(client, [guard], [{"remove_index": {"index": index}}], index, keep=[guard])


def serves(client: OpenSearch, names: CutoverNames) -> bool:
    """Return whether the month's name points to the new index."""
    try:
        return (
            names.month
            in client.indices.get_alias(index=names.new)[names.new]["aliases"]
        )
    except NotFoundError:
        return False


def block_writes(client: OpenSearch, mark: str, timeout: float = 60) -> None:
    """Block writes to an index, and wait for running writes to end.

    Args:
        client: decodes responses.
        mark: this run's claim alias on the index, never the index's own name.
        timeout: seconds for the request.

    Raises:
        LockLostError: the claim alias is missing.
    """
    try:
        client.transport.perform_request(
            "PUT", f"/{mark}/_block/write", params={"request_timeout": timeout}
        )
    except NotFoundError as error:
        raise _lost(mark.partition(_SWITCH)[0]) from error


def is_blocked(client: OpenSearch, index: str) -> bool:
    """Return whether writes to an index are blocked."""
    settings = client.indices.get_settings(index=index, name="index.blocks.write")
    blocks = [
        s["settings"].get("index", {}).get("blocks", {}) for s in settings.values()
    ]
    return any(block.get("write") == "true" for block in blocks)


def lift_block(client: OpenSearch, mark: str) -> None:
    """Remove the write block of an index.

    Args:
        client: decodes responses.
        mark: this run's claim alias on the index, never the index's own name.

    Raises:
        LockLostError: the claim alias is missing.
    """
    try:
        client.indices.put_settings(index=mark, body={"index.blocks.write": None})
    except NotFoundError as error:
        raise _lost(mark.partition(_SWITCH)[0]) from error
