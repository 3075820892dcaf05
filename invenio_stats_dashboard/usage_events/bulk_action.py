# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""An event as the stock code has made it, in the bytes that the stock client sends."""

import json
from dataclasses import dataclass

import msgspec
from opensearchpy.exceptions import SerializationError
from opensearchpy.serializer import JSONSerializer

_stock = JSONSerializer()


@dataclass(frozen=True, slots=True)
class FinishedEvent:
    """An event as the stock indexer would store it.

    Attributes:
        op_type: of its bulk action.
        index: name of the index or alias.
        id: its ``_id``.
        source: JSON, without enrichment.
        problem: why it cannot be sent; then ``source`` is the nearest that can be kept.
    """

    op_type: str
    index: str
    id: str
    source: bytes
    problem: str | None = None

    @classmethod
    def of(cls, action):
        """Return the event of an action.

        Args:
            action: a dict as ``actionsiter`` of invenio-stats makes it.
        """
        source, problem = encode(action["_source"])
        return cls(action["_op_type"], action["_index"], action["_id"], source, problem)

    @property
    def head(self):
        """Return what names the event beside its source, as a dict."""
        return {"_op_type": self.op_type, "_index": self.index, "_id": self.id}

    def lines(self, source):
        """Return the bulk lines that store a source as this event."""
        head = {self.op_type: {"_index": self.index, "_id": self.id}}
        return msgspec.json.encode(head) + b"\n" + source + b"\n"


def encode(source):
    """Return a source as the stock client sends it.

    A lone surrogate, of which that client fails, is replaced by a question mark.

    Args:
        source: the event's fields, as a dict.

    Returns:
        tuple[bytes, str | None]: JSON, and why it is not the source itself.
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
        # what JSON does not know, such as NaN, becomes text
        kept = json.loads(loose, parse_constant=str)
    except (ValueError, RecursionError):
        kept = {"fields": sorted(map(str, source))}
    return _encoded(json.dumps(kept, ensure_ascii=False)), problem


def _refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def _encoded(text):
    return text.encode("utf-8", "replace")
