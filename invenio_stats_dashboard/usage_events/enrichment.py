# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute the enrichment of an event from the event, record facts and timeline.

``community_ids`` always follows the timeline. Breakdown values do not change once
they are written, because they describe the record at the time of the event. They are
written again only on request.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ..community_events.facts import file_type
from ..community_events.lookup import RecordContext, RecordLookup
from ..search.mappings import ENRICHED_FIELDS
from ..subcounts import FILE_TYPES

_MARKER = b',"community_ids":'
_CACHED = 100_000


class EventHead(msgspec.Struct, gc=False):
    """The fields of a stored event that enrichment needs to read.

    The enriched fields are set only if the event was enriched before.
    """

    timestamp: str | None = None
    recid: str | None = None
    file_key: str | None = None
    enriched_at: str | None = None
    community_ids: list[str] | None = None
    subcounts: dict[str, list[str]] | None = None


decode_head = msgspec.json.Decoder(EventHead).decode


@dataclass(frozen=True)
class Enrichment:
    """The values that enrichment adds to one event.

    Attributes:
        community_ids: sorted UUIDs of the communities that the record was in.
        subcounts: values of the record, or of the file, by breakdown key.
    """

    community_ids: tuple[str, ...]
    subcounts: dict[str, list[str]]


def enrich(
    timestamp: str | None, file_key: str | None, context: RecordContext
) -> Enrichment:
    """Return the enrichment of an event.

    Args:
        timestamp: time of the event, naive UTC ISO 8601.
        file_key: name of the downloaded file; None for a view.
        context: facts and timeline of the record; both empty if it is unknown.

    Returns:
        The enrichment; empty for an unknown record, except for the file type.
    """
    communities = context.timeline.communities_at(timestamp) if timestamp else ()
    subcounts = dict(context.facts.subcounts) if context.facts else {}
    if file_key is not None:
        subcounts[FILE_TYPES] = [kind] if (kind := file_type(file_key)) else []
    return Enrichment(
        tuple(communities), {key: list(v) for key, v in subcounts.items() if v}
    )


class Splicer:
    """Adds enrichment to the exact bytes of stored events.

    The bytes that the site wrote are not decoded and encoded again, so they cannot
    change. The added bytes are the same for all events of a record between two
    changes of its membership, so they are encoded once.

    Args:
        lookup: returns facts and timelines of records.
        enriched_at: time of this run, ISO 8601 with offset.
        refresh: breakdown keys to write again in events that are already enriched.

    Attributes:
        unknown: number of events so far whose record is unknown.
    """

    def __init__(
        self, lookup: RecordLookup, enriched_at: str, refresh: Iterable[str] = ()
    ) -> None:
        self._lookup = lookup
        self._stamp = _stamp(enriched_at)
        self._refresh = frozenset(refresh)
        self._suffixes: OrderedDict[
            tuple[str | None, tuple[str, ...], str | None], bytes
        ] = OrderedDict()
        self.unknown = 0

    def splice(self, sources: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the sources with their enrichment.

        Args:
            sources: JSON objects, as stored.

        Returns:
            For each source, in order, the bytes that the site wrote (see
            :func:`native_bytes`) and the same bytes with the enrichment.

        Raises:
            StatsDashboardError: the look-up failed.
        """
        heads = [decode_head(source) for source in sources]
        contexts = self._lookup.get({h.recid for h in heads if h.recid})
        self.unknown += sum(
            1 for h in heads if not h.recid or contexts[h.recid].facts is None
        )
        return [
            self._spliced(source, head, contexts)
            for source, head in zip(sources, heads, strict=True)
        ]

    def splice_known(self, sources: Sequence[bytes]) -> list[bytes]:
        """Enrich the events of known records and leave the others unchanged.

        Args:
            sources: JSON objects that will be stored.

        Returns:
            For each source, in order, the event with its enrichment. An event whose
            record is unknown, or that cannot be decoded, is returned unchanged.

        Raises:
            StatsDashboardError: the look-up failed.
        """
        heads = [_readable_head(source) for source in sources]
        contexts = self._lookup.get({h.recid for h in heads if h and h.recid})
        spliced = []
        for source, head in zip(sources, heads, strict=True):
            context = contexts.get(head.recid) if head and head.recid else None
            if head is None or context is None or context.facts is None:
                self.unknown += 1
                spliced.append(source)
            else:
                spliced.append(self._spliced(source, head, contexts)[1])
        return spliced

    def _spliced(
        self, source: bytes, head: EventHead, contexts: Mapping[str, RecordContext]
    ) -> tuple[bytes, bytes]:
        context = contexts.get(head.recid) if head.recid else None
        if head.enriched_at is not None or head.community_ids is not None:
            return self._again(source, head, context)
        native = bytes(source)
        return native, _with(native, self._suffix(head, context))

    def _suffix(self, head: EventHead, context: RecordContext | None) -> bytes:
        """Return the bytes that replace an event's closing brace."""
        communities = (
            context.timeline.communities_at(head.timestamp)
            if context and head.timestamp
            else ()
        )
        kind = None if head.file_key is None else file_type(head.file_key)
        key = (head.recid, communities, kind)
        suffix = self._suffixes.get(key)
        if suffix is None:
            suffix = self._made(head, context)
            self._suffixes[key] = suffix
            if len(self._suffixes) > _CACHED:
                self._suffixes.popitem(last=False)
        return suffix

    def _made(self, head: EventHead, context: RecordContext | None) -> bytes:
        if context is None:
            added = Enrichment((), {})
        else:
            added = enrich(head.timestamp, head.file_key, context)
        return _suffix(added.community_ids, added.subcounts, self._stamp)

    def _again(
        self, source: bytes, head: EventHead, context: RecordContext | None
    ) -> tuple[bytes, bytes]:
        """Return an enriched event with its communities updated from the timeline."""
        native = native_bytes(source)
        added = enrich(head.timestamp, head.file_key, context) if context else None
        found = added.subcounts if added else {}
        subcounts = {
            **(found if not head.enriched_at else {}),
            **(head.subcounts or {}),
            **{k: v for k, v in found.items() if k in self._refresh},
        }
        stamp = self._stamp
        if head.enriched_at is not None and not self._refresh:
            stamp = _stamp(head.enriched_at)
        communities = added.community_ids if added else ()
        return native, _with(native, _suffix(communities, subcounts, stamp))


def _readable_head(source: bytes) -> EventHead | None:
    """Return an event's head; None if the site uses one of its fields otherwise."""
    try:
        return decode_head(source)
    except msgspec.DecodeError:
        return None


def _suffix(
    communities: Sequence[str], subcounts: Mapping[str, list[str]], stamp: bytes
) -> bytes:
    return (
        _MARKER
        + msgspec.json.encode(communities)
        + b',"subcounts":'
        + msgspec.json.encode(subcounts)
        + stamp
    )


def _stamp(enriched_at: str) -> bytes:
    return b',"enriched_at":' + msgspec.json.encode(enriched_at) + b"}"


def _with(native: bytes, suffix: bytes) -> bytes:
    """Return an event's bytes with a suffix in place of the closing brace."""
    end = native.rindex(b"}")
    empty = native[:end].rstrip().endswith(b"{")
    return native[:end] + (suffix[1:] if empty else suffix)


def native_bytes(source: bytes) -> bytes:
    """Return the bytes of a stored event without its enrichment.

    Args:
        source: JSON object, as stored.

    Returns:
        The event as the site wrote it. If :class:`Splicer` added the enrichment,
        these are the site's exact bytes.
    """
    text = bytes(source)
    cut = text.rfind(_MARKER)
    if cut >= 0 and _is_added(b"{" + text[cut + 1 :]):
        return text[:cut] + b"}"
    if b'"community_ids"' not in text and b'"enriched_at"' not in text:
        return text
    # Another program, such as an update by query, has changed the order of the fields.
    fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    for key in ENRICHED_FIELDS:
        fields.pop(key, None)
    return msgspec.json.encode(fields)


class _Added(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The enriched fields and no other."""

    community_ids: msgspec.Raw
    subcounts: msgspec.Raw
    enriched_at: msgspec.Raw


_decode_added = msgspec.json.Decoder(_Added).decode


def _is_added(text: bytes) -> bool:
    try:
        _decode_added(text)
    except msgspec.DecodeError:  # includes ValidationError
        return False
    return True
