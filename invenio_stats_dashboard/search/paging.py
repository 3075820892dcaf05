# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decode one page of search results into typed hits.

Only the fields that the type declares are decoded.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

_Hit = TypeVar("_Hit")


class _Shards(msgspec.Struct):
    failed: int
    successful: int


class _Hits(msgspec.Struct, Generic[_Hit]):
    hits: list[_Hit]


class SearchPage(msgspec.Struct, Generic[_Hit]):
    """One page of search results.

    Attributes:
        timed_out: whether OpenSearch stopped before it had searched all documents.
    """

    found: _Hits[_Hit] = msgspec.field(name="hits")
    timed_out: bool
    shards: _Shards = msgspec.field(name="_shards")

    @property
    def hits(self) -> list[_Hit]:
        """Return the hits."""
        return self.found.hits

    @property
    def is_complete(self) -> bool:
        """Return whether no shard failed and the search did not time out."""
        return not self.timed_out and not self.shards.failed


def page_decoder(
    hit: type[_Hit], strict: bool = True
) -> Callable[[str | bytes], SearchPage[_Hit]]:
    """Return a function that decodes the body of a response.

    Args:
        hit: a :class:`msgspec.Struct`.
        strict: reject values that need a conversion.
    """
    # SearchPage[hit] is an expression here, which a type checker does not evaluate.
    return msgspec.json.Decoder(
        SearchPage[hit], strict=strict  # type: ignore[valid-type]
    ).decode
