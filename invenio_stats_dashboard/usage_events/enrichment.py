# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What an event is enriched with: one function of event, record facts and timeline.

``community_ids`` always follows the timeline. The breakdown values are frozen
once written, since what was known at the time beats what is known now; they are
written again only on request.
"""

from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from ..community_events.facts import file_type
from ..search.mappings import ENRICHED_FIELDS
from ..subcounts import FILE_TYPES

_MARKER = b',"community_ids":'
_CACHED = 100_000


class EventHead(msgspec.Struct, gc=False):
    """The fields of a stored event that enrichment needs to read.

    Enriched fields are there when the event was enriched before.
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
    """What is added to one event.

    Attributes:
        community_ids: sorted UUIDs of the communities that the record was in.
        subcounts: breakdown key -> values of the record, or of the file.
    """

    community_ids: tuple[str, ...]
    subcounts: dict[str, list[str]]


def enrich(timestamp, file_key, context):
    """Return what an event is enriched with.

    Args:
        timestamp: the event's, naive UTC ISO 8601.
        file_key: name of the downloaded file; None for a view.
        context: facts and timeline of the record; both empty if it is unknown.

    Returns:
        Enrichment: empty lists for a record that nobody knows.
    """
    communities = context.timeline.communities_at(timestamp) if timestamp else ()
    subcounts = dict(context.facts.subcounts) if context.facts else {}
    if file_key is not None:
        subcounts[FILE_TYPES] = [type] if (type := file_type(file_key)) else []
    return Enrichment(
        tuple(communities), {key: list(v) for key, v in subcounts.items() if v}
    )


class Splicer:
    """Adds enrichment to the exact bytes of stored events.

    What the site wrote is not decoded and encoded again, so it cannot change. The
    added bytes are the same for all events of a record between two changes of
    its membership, so they are made once.

    Args:
        lookup: gives the contexts of records by recid.
        enriched_at: the moment of this run, ISO 8601 with offset.
        refresh: breakdown keys to write again in events that have them, or
            ``()``.
    """

    def __init__(self, lookup, enriched_at, refresh=()):
        """Keep what is needed."""
        self._lookup = lookup
        self._stamp = _stamp(enriched_at)
        self._refresh = frozenset(refresh)
        self._suffixes = OrderedDict()
        self.unknown = 0

    def splice(self, sources):
        """Return the sources with their enrichment.

        Args:
            sources: list of bytes-like JSON objects, as stored.

        Returns:
            list[tuple[bytes, bytes]]: for each, in order, what the site wrote (see
            :func:`native_bytes`) and the same with its enrichment.
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

    def splice_known(self, sources):
        """Enrich the events of records that are known; leave the others as they are.

        Args:
            sources: list of bytes, JSON objects that are about to be stored.

        Returns:
            list[bytes]: for each, in order, the event with its enrichment, or the
            very source if its record is unknown or it cannot be read.

        Raises:
            StatsDashboardError: the look-up failed.
        """
        heads = [_readable_head(source) for source in sources]
        contexts = self._lookup.get({h.recid for h in heads if h and h.recid})
        spliced = []
        for source, head in zip(sources, heads, strict=True):
            context = contexts.get(head.recid) if head else None
            if context is None or context.facts is None:
                self.unknown += 1
                spliced.append(source)
            else:
                spliced.append(self._spliced(source, head, contexts)[1])
        return spliced

    def _spliced(self, source, head, contexts):
        context = contexts.get(head.recid)
        if head.enriched_at is not None or head.community_ids is not None:
            return self._again(source, head, context)
        native = bytes(source)
        return native, _with(native, self._suffix(head, context))

    def _suffix(self, head, context):
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

    def _made(self, head, context):
        if context is None:
            added = Enrichment((), {})
        else:
            added = enrich(head.timestamp, head.file_key, context)
        return _suffix(added.community_ids, added.subcounts, self._stamp)

    def _again(self, source, head, context):
        """Return an event that has enrichment with its communities brought up."""
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


def _readable_head(source):
    """Return an event's head; None if a site writes something else into it."""
    try:
        return decode_head(source)
    except msgspec.DecodeError:
        return None


def _suffix(communities, subcounts, stamp):
    return (
        _MARKER
        + msgspec.json.encode(communities)
        + b',"subcounts":'
        + msgspec.json.encode(subcounts)
        + stamp
    )


def _stamp(enriched_at):
    return b',"enriched_at":' + msgspec.json.encode(enriched_at) + b"}"


def _with(native, suffix):
    """Return an event's bytes with a suffix in place of the closing brace."""
    end = native.rindex(b"}")
    empty = native[:end].rstrip().endswith(b"{")
    return native[:end] + (suffix[1:] if empty else suffix)


def native_bytes(source):
    """Return the bytes of an enriched or legacy event without its enrichment.

    Args:
        source: bytes-like JSON object, as stored.

    Returns:
        bytes: what the site wrote; for events that were spliced exactly so.
    """
    text = bytes(source)
    cut = text.rfind(_MARKER)
    if cut >= 0 and _is_added(b"{" + text[cut + 1 :]):
        return text[:cut] + b"}"
    if b'"community_ids"' not in text and b'"enriched_at"' not in text:
        return text
    # written again by another program, such as an update by query, in its own order
    fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    for key in ENRICHED_FIELDS:
        fields.pop(key, None)
    return msgspec.json.encode(fields)


class _Added(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What enrichment adds, and nothing else."""

    community_ids: msgspec.Raw
    subcounts: msgspec.Raw
    enriched_at: msgspec.Raw


_decode_added = msgspec.json.Decoder(_Added).decode


def _is_added(text):
    try:
        _decode_added(text)
    except msgspec.DecodeError:  # of which ValidationError is one
        return False
    return True
