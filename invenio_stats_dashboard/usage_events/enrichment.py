# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute the enrichment of an event from the event, record facts and timeline.

``community_ids`` always follows the timeline. Breakdown values do not change once
they are written, because they describe the record at the time of the event. They are
written again only on request.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from ..community_events.facts import file_type
from ..community_events.lookup import RecordContext, RecordLookup
from ..search.mappings import ENRICHED_FIELDS
from ..subcounts import FILE_TYPES
from .event_decoding import EventDecoder, is_uuid, readable_time

_MARKER = b',"community_ids":'
_IDS, _VALUES, _TIME = (
    f'"{name}"'.encode() for name in ("community_ids", "subcounts", "enriched_at")
)
_FIELDS_OF_SITE = "fields of the site that enrichment replaces"
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
"""The form in which ``enriched_at`` is written."""

_ESCAPED = (b"\\u005", b"\\u006", b"\\u007")
"""Begin the escapes of the letters in names; no program escapes these letters."""

_ONE_LINE = bytes.maketrans(b"\n\r", b"  ")
_CACHED = 100_000


class EventHead(msgspec.Struct, gc=False):
    """The fields of a stored event that enrichment needs to read.

    The enriched fields are ``UNSET`` if the event has no field of the name.
    """

    timestamp: str | None = None
    recid: str | None = None
    file_key: str | None = None
    enriched_at: str | UnsetType | None = UNSET
    community_ids: list[str] | UnsetType | None = UNSET
    subcounts: dict[str, list[str]] | UnsetType | None = UNSET


_heads = EventDecoder(EventHead)
decode_head = _heads.decode


class SplicedEvent(NamedTuple):
    """An event with its enrichment.

    Attributes:
        native: the bytes that the site wrote, see :func:`native_bytes`.
        source: the same bytes with the enrichment.
        odd: names of the fields that cannot be read as expected.
    """

    native: bytes
    source: bytes
    odd: tuple[str, ...] = ()


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
    communities = _communities(timestamp, context)
    subcounts = dict(context.facts.subcounts) if context.facts else {}
    if file_key is not None:
        subcounts[FILE_TYPES] = [kind] if (kind := file_type(file_key)) else []
    return Enrichment(
        tuple(communities), {key: list(v) for key, v in subcounts.items() if v}
    )


def _communities(timestamp: str | None, context: RecordContext) -> tuple[str, ...]:
    """Return the communities at the time of an event; none if that is unreadable."""
    if not timestamp:
        return ()
    try:
        return context.timeline.communities_at(timestamp)
    except ValueError:
        time = readable_time(timestamp)
        return context.timeline.communities_at(time) if time else ()


def _is_enriched(head: EventHead) -> bool:
    """Return whether the fields of an enrichment come from this package."""
    return (
        isinstance(head.community_ids, list)
        and isinstance(head.subcounts, dict)
        and isinstance(head.enriched_at, str)
        and _STAMP.fullmatch(head.enriched_at) is not None
    )


def _has_no_enrichment(head: EventHead) -> bool:
    """Return whether a decoded event has none of the fields of an enrichment."""
    return head.community_ids is head.subcounts is head.enriched_at is UNSET


def _has_communities(head: EventHead) -> bool:
    """Return whether the event has communities and values as of an enrichment.

    Other programs that enrich events write these two fields alone.
    """
    found = head.community_ids
    return (
        isinstance(found, list)
        and isinstance(head.subcounts, dict)
        and all(map(is_uuid, found))
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

    def splice(self, sources: Sequence[bytes]) -> list[SplicedEvent]:
        """Return the sources with their enrichment.

        Args:
            sources: JSON objects, as stored.

        Returns:
            The events, in order.

        Raises:
            StatsDashboardError: the look-up failed.
        """
        heads, odd = _heads.decode_all(sources)
        contexts = self._lookup.get({h.recid for h in heads if h.recid})
        self.unknown += sum(
            1 for h in heads if not h.recid or contexts[h.recid].facts is None
        )
        return [
            self._spliced(source, head, contexts, odd.get(n, ()))
            for n, (source, head) in enumerate(zip(sources, heads, strict=True))
        ]

    def splice_known(self, sources: Sequence[bytes]) -> list[bytes]:
        """Enrich the events of known records and leave the others unchanged.

        Args:
            sources: JSON objects that will be stored.

        Returns:
            For each source, in order, the event with its enrichment. An event whose
            record is unknown is returned unchanged.

        Raises:
            StatsDashboardError: the look-up failed.
        """
        heads, _ = _heads.decode_all(sources)
        contexts = self._lookup.get({h.recid for h in heads if h.recid})
        spliced = []
        for source, head in zip(sources, heads, strict=True):
            context = contexts.get(head.recid) if head.recid else None
            if context is None or context.facts is None:
                self.unknown += 1
                spliced.append(source)
            else:
                spliced.append(self._spliced(source, head, contexts).source)
        return spliced

    def _spliced(
        self,
        source: bytes,
        head: EventHead,
        contexts: Mapping[str, RecordContext],
        odd: tuple[str, ...] = (),
    ) -> SplicedEvent:
        context = contexts.get(head.recid) if head.recid else None
        if not odd and _has_no_enrichment(head):
            native, had_fields = _in_one_line(source), False
        else:
            native, had_fields = _split(source)
        if not had_fields:
            return SplicedEvent(native, _with(native, self._suffix(head, context)), odd)
        if not _is_enriched(head):
            head.enriched_at = None
            if not _has_communities(head):
                odd = odd or (_FIELDS_OF_SITE,)
        return SplicedEvent(
            native, _with(native, self._suffix_again(head, context)), odd
        )

    def _suffix(self, head: EventHead, context: RecordContext | None) -> bytes:
        """Return the bytes that replace an event's closing brace."""
        communities = _communities(head.timestamp, context) if context else ()
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

    def _suffix_again(self, head: EventHead, context: RecordContext | None) -> bytes:
        """Return the suffix of an event that has fields of an enrichment.

        Without ``enriched_at``, they may be fields of the site with the same names. Of
        these, only breakdown values of a known key are retained.
        """
        added = enrich(head.timestamp, head.file_key, context) if context else None
        found = added.subcounts if added else {}
        stored = head.subcounts or {}
        if not head.enriched_at:
            stored = {**found, **{k: v for k, v in stored.items() if k in found}}
        subcounts = {
            **stored,
            **{k: v for k, v in found.items() if k in self._refresh},
        }
        stamp = self._stamp
        if head.enriched_at and not self._refresh:
            stamp = _stamp(head.enriched_at)
        communities = added.community_ids if added else ()
        return _suffix(communities, subcounts, stamp)


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
    fields = native[: native.rindex(b"}")]
    is_empty = fields[-1] in b"{ \t" and fields.rstrip().endswith(b"{")
    return fields + (suffix[1:] if is_empty else suffix)


def native_bytes(source: bytes) -> bytes:
    """Return the bytes of a stored event without its enrichment.

    Args:
        source: JSON object, as stored.

    Returns:
        The event as the site wrote it. If :class:`Splicer` added the enrichment,
        these are the site's exact bytes.
    """
    return _split(source)[0]


def _split(source: bytes) -> tuple[bytes, bool]:
    """Return an event without its enrichment, and whether it had fields of one."""
    text = _in_one_line(source)
    cut = text.rfind(_MARKER)
    if cut >= 0 and _is_added(b"{" + text[cut + 1 :]):
        return text[:cut] + b"}", True
    has_name = _IDS in text or _VALUES in text or _TIME in text
    if not has_name and not (b"\\u00" in text and any(e in text for e in _ESCAPED)):
        return text, False
    # Another program, such as an update by query, has changed the order of the fields,
    # or the site has a field of the same name.
    try:
        fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return _split_leniently(text)
    own = {k: v for k, v in fields.items() if k not in ENRICHED_FIELDS}
    if len(own) == len(fields):
        return text, False
    return msgspec.json.encode(own), True


def _in_one_line(source: bytes) -> bytes:
    """Return a JSON text without line breaks, which a bulk request cannot have.

    A JSON text has line breaks only between its values.
    """
    text = bytes(source)
    if b"\n" in text or b"\r" in text:
        return text.translate(_ONE_LINE)
    return text


def _split_leniently(text: bytes) -> tuple[bytes, bool]:
    """Do the same as :func:`_split` for a text that msgspec cannot decode."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return text, False
    own = {k: v for k, v in fields.items() if k not in ENRICHED_FIELDS}
    if len(own) == len(fields):
        return text, False
    return json.dumps(own, separators=(",", ":")).encode(), True


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
