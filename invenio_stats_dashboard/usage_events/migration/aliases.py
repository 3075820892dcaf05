# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The steps by which names move from one index to another, each of them atomic.

A runner marks the index that shall serve with an alias of its own, the fence.
Each step that changes what readers or writers see begins by removing that alias
with ``must_exist``: OpenSearch refuses the whole call when the fence is gone. So
a runner that was frozen, and whose switch somebody else has taken back, cannot
change anything when it wakes.
"""

from dataclasses import dataclass

from opensearchpy.exceptions import NotFoundError, TransportError

from ...errors import LockLostError


@dataclass(frozen=True)
class Names:
    """The names that a switch moves.

    Attributes:
        read: the stock read alias of the family.
        month: the stock name of the month, an index or an alias.
        old: index that has served.
        new: index that shall serve.
        fence: alias of this run on the new index.
    """

    read: str
    month: str
    old: str
    new: str
    fence: str


def _fenced(client, names, actions, keep):
    """Apply alias actions if the fence is there; ``keep`` puts it back after."""
    remove = {"index": names.new, "alias": names.fence, "must_exist": True}
    add = [{"add": {"index": names.new, "alias": names.fence}}] if keep else []
    try:
        client.indices.update_aliases(
            body={"actions": [{"remove": remove}, *actions, *add]},
            params={"request_timeout": 60},
        )
    except TransportError as error:
        if not _says_missing(error):
            raise
        if not keep and serves(client, names):
            return  # it was applied, only its answer was lost
        raise LockLostError(
            f"The switch of {names.month} was taken back by another run; this one "
            "has stopped."
        ) from error


def _says_missing(error):
    """Tell whether alias actions were refused because the fence is gone."""
    reason = str(error.info)
    return "aliases_not_found" in reason or (
        isinstance(error, NotFoundError) and "index_not_found" in reason
    )


def move_read_alias(client, names):
    """Let readers see the new index instead of the old one."""
    _fenced(
        client,
        names,
        [
            {"add": {"index": names.new, "alias": names.read}},
            {"remove": {"index": names.old, "alias": names.read, "must_exist": False}},
        ],
        keep=True,
    )


def take_over_month(client, names, remove_old):
    """Let writers write to the new index: the last call of a switch.

    Args:
        client: an ordinary client.
        names: the :class:`Names`.
        remove_old: delete the old index in the same call, because its own name is
            the month's; otherwise only the alias moves.
    """
    if remove_old:
        actions = [{"remove_index": {"index": names.old}}]
    else:
        actions = [
            {"remove": {"index": names.old, "alias": names.month}},
        ]
    actions.append({"add": {"index": names.new, "alias": names.month}})
    _fenced(client, names, actions, keep=False)


def give_back(client, names):
    """Move both names of a month in one call; no index is removed.

    Only for an index whose own name is not the month's: then no search runs into
    a removed index, and both names can move at once.
    """
    _fenced(
        client,
        names,
        [
            {"remove": {"index": names.old, "alias": names.month}},
            {"remove": {"index": names.old, "alias": names.read}},
            {"add": {"index": names.new, "alias": names.month}},
            {"add": {"index": names.new, "alias": names.read}},
        ],
        keep=False,
    )


def take_back(client, names):
    """Undo a switch that has not made its last call; safe to repeat.

    The fences go first, so that a frozen runner can do nothing any more; then
    readers see the old index again, and it can be written.

    Args:
        client: an ordinary client.
        names: the :class:`Names`; its fence is ignored, every run's is removed.

    Returns:
        bool: False if the last call had been made after all, so that there is
        nothing to take back.
    """
    remove_fences(client, names.new)
    if serves(client, names):
        return False
    actions = [{"add": {"index": names.old, "alias": names.read}}]
    if client.indices.exists(index=names.new):
        actions.append(
            {
                "remove": {
                    "index": names.new,
                    "alias": names.read,
                    "must_exist": False,
                }
            }
        )
    client.indices.update_aliases(body={"actions": actions})
    lift_block(client, names.old)
    return True


def serves(client, names):
    """Tell whether the month's name leads to the new index."""
    try:
        return (
            names.month
            in client.indices.get_alias(index=names.new)[names.new]["aliases"]
        )
    except NotFoundError:
        return False


def remove_fences(client, index):
    """Remove the fences of all runs from an index that may not exist."""
    try:
        aliases = client.indices.get_alias(index=index)[index]["aliases"]
    except NotFoundError:
        return
    actions = [
        {"remove": {"index": index, "alias": alias}}
        for alias in aliases
        if "-switch-" in alias
    ]
    if actions:
        client.indices.update_aliases(body={"actions": actions})


def block_writes(client, index):
    """Refuse writes to an index; returns when running ones have ended."""
    client.transport.perform_request(
        "PUT", f"/{index}/_block/write", params={"request_timeout": 60}
    )


def is_blocked(client, index):
    """Tell whether writes to an index are refused."""
    settings = client.indices.get_settings(index=index, name="index.blocks.write")
    blocks = [
        s["settings"].get("index", {}).get("blocks", {}) for s in settings.values()
    ]
    return any(block.get("write") == "true" for block in blocks)


def lift_block(client, index):
    """Let an index be written again."""
    client.indices.put_settings(index=index, body={"index.blocks.write": None})
