# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""One answer of a search, decoded into what is needed of it and no more."""

from typing import Generic, TypeVar

import msgspec

_Hit = TypeVar("_Hit")


class _Shards(msgspec.Struct):
    failed: int
    successful: int


class _Hits(msgspec.Struct, Generic[_Hit]):
    hits: list[_Hit]


class SearchPage(msgspec.Struct, Generic[_Hit]):
    """An answer, with hits of some type.

    Attributes:
        timed_out: not all that was to be looked at was.
    """

    found: _Hits[_Hit] = msgspec.field(name="hits")
    timed_out: bool
    shards: _Shards = msgspec.field(name="_shards")

    @property
    def hits(self):
        """Return the hits as a list."""
        return self.found.hits

    @property
    def is_complete(self):
        """Tell whether all shards that were asked have answered, and in time."""
        return not self.timed_out and not self.shards.failed


def page_decoder(hit, strict=True):
    """Return a function that decodes an answer.

    Args:
        hit: type of a hit, a :class:`msgspec.Struct`.
        strict: refuse values that would have to be converted.
    """
    return msgspec.json.Decoder(SearchPage[hit], strict=strict).decode
