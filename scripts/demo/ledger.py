# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What was written, by the account of who wrote it: the proof compares with this."""

import hashlib
from pathlib import Path

import orjson

OURS = frozenset(("community_ids", "subcounts", "enriched_at"))
"""The fields that this package adds; all others are native."""


def digest(source):
    """Return a 64-bit number that stands for every native field of an event."""
    native = {k: v for k, v in source.items() if k not in OURS}
    data = orjson.dumps(native, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def checksum(events):
    """Return one number for a set of events that does not depend on their order.

    Args:
        events: id -> digest.
    """
    total = 0
    for event_id, value in events.items():
        whole = hashlib.blake2b(b"%s %d" % (event_id.encode(), value), digest_size=8)
        total += int.from_bytes(whole.digest(), "big")
    return total % 2**64


class Ledger:
    """Ids and digests of written events, by event type and month.

    A later write of an id replaces the earlier one, as it does in the index.

    Args:
        folder: where :meth:`save` and :meth:`load` keep one file a month.
    """

    def __init__(self, folder=None):
        """Start empty."""
        self.folder = Path(folder) if folder else None
        self.months = {}

    def add(self, event_type, month, event_id, source):
        """Note one event that is to be in the index of a month."""
        self.months.setdefault((event_type, month), {})[event_id] = digest(source)

    def update(self, other):
        """Take in the events of another ledger; its writes came later."""
        for key, events in other.months.items():
            self.months.setdefault(key, {}).update(events)

    def count(self, event_type):
        """Return the number of events of a type."""
        return sum(len(e) for (t, _), e in self.months.items() if t == event_type)

    def save(self):
        """Write one file a month; replaces what the folder held of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for (event_type, month), events in self.months.items():
            lines = (f"{event_id} {value:016x}\n" for event_id, value in events.items())
            path = self.folder / f"{event_type}-{month}.txt"
            path.write_text("".join(lines), encoding="utf-8")

    @classmethod
    def load(cls, folder):
        """Return the ledger that a folder holds."""
        ledger = cls(folder)
        for path in sorted(Path(folder).glob("*-????-??.txt")):
            event_type, month = path.stem.split("-", 1)
            with path.open(encoding="utf-8") as file:
                pairs = (line.split() for line in file)
                events = {event_id: int(value, 16) for event_id, value in pairs}
            ledger.months[event_type, month] = events
        return ledger
