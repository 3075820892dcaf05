# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The proof that nothing was lost: every stored event against the ledgers."""

from dataclasses import dataclass, field

import orjson
from opensearchpy import JSONSerializer

from .bulk import STOCK
from .ledger import checksum, digest

PAGE = 5000


class FastSerializer(JSONSerializer):
    """Reads answers with orjson: events come by the hundred thousand."""

    def loads(self, s):
        """Return the document of an answer."""
        return orjson.loads(s)


@dataclass(frozen=True)
class MonthProof:
    """What a month holds, seen through the read alias, against what was written.

    Attributes:
        event_type: ``view`` or ``download``.
        month: ``YYYY-MM``.
        indices: the indices of the read alias that hold events of the month.
        written: number of ids by the ledgers.
        found: number of documents in the indices.
        missing: ids that were written and are not there, at most ten.
        surplus: ids that are there and were not written, at most ten.
        twice: number of ids that are there more than once.
        changed: number of events with a native field that is not as written.
        unenriched: number of events without ``enriched_at``.
        overlooked: the unenriched ones among them that were there before the
            migration began.
        written_checksum: order-independent checksum of what was written.
        found_checksum: the same of what is there.
    """

    event_type: str
    month: str
    indices: tuple[str, ...]
    written: int
    found: int
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    twice: int = 0
    changed: int = 0
    unenriched: int = 0
    overlooked: int = 0
    written_checksum: str = ""
    found_checksum: str = ""

    @property
    def complete(self):
        """Return whether the very events that were written are there, once."""
        return (
            self.written == self.found
            and not (self.missing or self.surplus or self.twice or self.changed)
            and self.written_checksum == self.found_checksum
        )


@dataclass
class _Found:
    """The events of one month as they are read."""

    events: dict = field(default_factory=dict)
    indices: set = field(default_factory=set)
    documents: int = 0
    unenriched: set = field(default_factory=set)


def compare(client, prefix, event_type, ledger, live=None):
    """Read all events of a type through the read alias and compare them.

    Args:
        client: an OpenSearch client, best with :class:`FastSerializer`.
        prefix: ``SEARCH_INDEX_PREFIX``.
        event_type: ``view`` or ``download``.
        ledger: the :class:`~.ledger.Ledger` of all that was written.
        live: the ledger of what was written while the migration ran.

    Returns:
        list[MonthProof]: one for each month written or found, in order.
    """
    months = {}
    for hit in _all(client, f"{prefix}events-stats-{STOCK[event_type]}"):
        source = hit["_source"]
        found = months.setdefault(source["timestamp"][:7], _Found())
        found.documents += 1
        found.indices.add(hit["_index"])
        if "enriched_at" not in source:
            found.unenriched.add(hit["_id"])
        found.events[hit["_id"]] = digest(source)
    names = {month for kind, month in ledger.months if kind == event_type}
    return [
        _proof(event_type, month, ledger, live, months.get(month, _Found()))
        for month in sorted(names | set(months))
    ]


def _proof(event_type, month, ledger, live, found):
    written = ledger.months.get((event_type, month), {})
    newer = live.months.get((event_type, month), {}) if live else {}
    missing = [i for i in written if i not in found.events]
    surplus = [i for i in found.events if i not in written]
    changed = sum(
        value != written[event_id]
        for event_id, value in found.events.items()
        if event_id in written
    )
    return MonthProof(
        event_type=event_type,
        month=month,
        indices=tuple(sorted(found.indices)),
        written=len(written),
        found=found.documents,
        missing=tuple(missing[:10]),
        surplus=tuple(surplus[:10]),
        twice=found.documents - len(found.events),
        changed=changed,
        unenriched=len(found.unenriched),
        overlooked=len(found.unenriched - newer.keys()),
        written_checksum=f"{checksum(written):016x}",
        found_checksum=f"{checksum(found.events):016x}",
    )


def _all(client, alias):
    """Yield all documents of an alias, from one point in time."""
    client.indices.refresh(index=alias)
    answer = client.search(
        index=alias,
        body={"size": PAGE, "sort": ["_doc"]},
        params={"scroll": "2m"},
    )
    scroll = answer["_scroll_id"]
    try:
        while hits := answer["hits"]["hits"]:
            if answer["_shards"]["failed"]:
                raise RuntimeError(f"Shards of {alias} failed: {answer['_shards']}")
            yield from hits
            answer = client.scroll(body={"scroll_id": scroll}, params={"scroll": "2m"})
            scroll = answer["_scroll_id"]
    finally:
        client.clear_scroll(body={"scroll_id": [scroll]}, ignore=404)
