# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Encode finished events exactly as the stock client would send them."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn, Self

import msgspec
from opensearchpy.exceptions import SerializationError
from opensearchpy.serializer import JSONSerializer

_stock = JSONSerializer()


@dataclass(frozen=True, slots=True)
class FinishedEvent:
    """An event as the stock indexer would store it.

    Attributes:
        op_type: operation of its bulk action, such as ``index``.
        index: name of the index or alias.
        id: its ``_id``.
        source: JSON, without enrichment.
        problem: why the event cannot be sent, or None. If set, ``source`` is the
            nearest JSON that can be stored.
    """

    op_type: str
    index: str
    id: str
    source: bytes
    problem: str | None = None

    @classmethod
    def of(cls, action: dict[str, Any]) -> Self:
        """Return the event of an action.

        Args:
            action: an item of ``actionsiter`` of invenio-stats.
        """
        source, problem = encode(action["_source"])
        return cls(action["_op_type"], action["_index"], action["_id"], source, problem)

    @property
    def head(self) -> dict[str, str]:
        """Return the action without its source: ``_op_type``, ``_index``, ``_id``."""
        return {"_op_type": self.op_type, "_index": self.index, "_id": self.id}

    def lines(self, source: bytes) -> bytes:
        """Return the bulk lines that store a source as this event."""
        head = {self.op_type: {"_index": self.index, "_id": self.id}}
        return msgspec.json.encode(head) + b"\n" + source + b"\n"


def encode(source: dict[str, Any]) -> tuple[bytes, str | None]:
    """Return a source as the stock client sends it.

    A lone surrogate, on which that client fails, is replaced by a question mark.

    Args:
        source: the event's fields.

    Returns:
        The JSON, and None or the reason why the source cannot be encoded. In that
        case the JSON only approximates the source.
    """
    try:
        text = _stock.dumps(source)
        if "NaN" in text or "Infinity" in text:
            json.loads(text, parse_constant=_refuse)
        return _encoded(text), None
    except (SerializationError, ValueError, RecursionError) as error:
        problem = f"the event cannot be encoded: {error.args[-1]}"
    try:
        loose = json.dumps(source, default=str, skipkeys=True)
        # Values that JSON cannot represent, such as NaN, become text.
        kept = json.loads(loose, parse_constant=str)
    except (ValueError, RecursionError):
        kept = {"fields": sorted(map(str, source))}
    return _encoded(json.dumps(kept, ensure_ascii=False)), problem


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
