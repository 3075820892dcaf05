# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Usage events as the stock indexer of InvenioRDM leaves them, month by month.

The documents have the fields, types and ids that ``invenio_stats.processors``
and the event builders of InvenioRDM 14 give them. All is a function of the seed::

    records = synthetic_records(5000, seed=1)
    events = generate("view", "2026-03", 400_000, records, seed=1)
    write(client, "demo-", "view", events)
"""

import hashlib
import random
import uuid
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from .bulk import write
from .visits import HOURS, SITE, WEEKDAYS, Choice, anonymous_ids, visitor

__all__ = (
    "DOWNLOADS",
    "File",
    "Moments",
    "Record",
    "generate",
    "ghost_records",
    "plan",
    "synthetic_records",
    "write",
)

DOWNLOADS = 0.35
"""Share of downloads among all events."""

DOUBLE_CLICKS = 0.03
"""Share of events that are sent again within the double-click window."""

WINDOW = 10
"""Seconds of the double-click window of the stock indexer."""

_CLOCK = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86400)]


@dataclass(frozen=True, slots=True)
class File:
    """A file that can be downloaded.

    Attributes:
        bucket_id: UUID of the record's bucket.
        file_id: UUID of the file instance.
        key: the file's name.
        size: bytes.
    """

    bucket_id: str
    file_id: str
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Record:
    """What an event says of a record.

    Attributes:
        recid: PID value of the record.
        parent_recid: PID value of its parent.
        created: first moment that it can be viewed (naive UTC).
        files: the files that can be downloaded.
        gone: moment of its deletion (naive UTC), or None.
        popularity: factor to what its rank gives it.
    """

    recid: str
    parent_recid: str
    created: datetime
    files: tuple[File, ...] = ()
    gone: datetime | None = None
    popularity: float = 1.0


def synthetic_records(count, seed=0, created=datetime(2000, 1, 1)):
    """Return records that exist nowhere, each with one to three files.

    Args:
        count: how many.
        seed: other seeds, other records.
        created: creation date of all of them.
    """
    rng = random.Random(f"records {seed}")
    return [
        Record(_pid(rng), _pid(rng), created, _files(rng, rng.choice((1, 1, 1, 2, 3))))
        for _ in range(count)
    ]


def _files(rng, count):
    """Return files of one bucket."""
    kinds = ("data.csv", "paper.pdf", "Übersicht (final).xlsx", "code.zip", "README")
    bucket, first = _uuid(rng), rng.randrange(len(kinds))
    return tuple(
        File(
            bucket_id=bucket,
            file_id=_uuid(rng),
            key=kinds[(first + n) % len(kinds)],
            size=int(rng.lognormvariate(12, 3)),
        )
        for n in range(count)
    )


def ghost_records(count=3, seed=0):
    """Return records that the database does not know any more; rarely seen."""
    ghosts = synthetic_records(count, f"ghosts {seed}")
    return [replace(ghost, popularity=0.05) for ghost in ghosts]


def plan(total, until, months=18):
    """Share a number of events out over event types and months, with growth.

    Args:
        total: events in all.
        until: moment of the last event (naive UTC); its month is the last one.
        months: number of months.

    Returns:
        dict: (event type, ``YYYY-MM``) -> events; what was rounded adds up.
    """
    weights = {}
    for back in range(months - 1, -1, -1):
        year, month = divmod(until.year * 12 + until.month - 1 - back, 12)
        name = f"{year:04}-{month + 1:02}"
        weight = 1 + 1.5 * (months - back) / months
        weight *= 0.7 if month + 1 in (8, 12) else 1
        if back == 0:
            weight *= _elapsed(until)
        weights["view", name] = weight * (1 - DOWNLOADS)
        weights["download", name] = weight * DOWNLOADS
    return _share_out(total, weights)


def generate(event_type, month, count, records, seed=0, until=None):
    """Make the events of one month, in the order of their time.

    The popularity of records is heavy-tailed; traffic follows the hours of the
    day and the days of the week. A double click yields the same id again, with a
    later time, as the stock indexer would write it again.

    Args:
        event_type: ``view`` or ``download``.
        month: ``YYYY-MM``.
        count: number of different ids; double clicks come in addition.
        records: list of :class:`Record`; views of all, downloads of those with
            files, each between its creation and its deletion.
        seed: the same seed gives the same events.
        until: no event is later than this (naive UTC).

    Yields:
        tuple[str, dict]: id and source of one document.

    Raises:
        ValueError: no record can be viewed, or downloaded, in that month.
    """
    targets = _targets(event_type, records, seed)
    rng = random.Random(f"{seed} {event_type} {month}")
    days = _days(month, until or datetime(9999, 1, 1), targets)
    if not any(days.values()):
        raise ValueError(f"No record can have a {event_type} in {month}.")
    for day, wanted in _share_out(count, days).items():
        yield from _Day(event_type, day, rng, seed, until).events(wanted, targets)


class Moments:
    """Single events at moments of choice, for a writer that goes on and on.

    Args:
        event_type: ``view`` or ``download``.
        records: list of :class:`Record`.
        seed: the same seed gives the same visitors and choices.
    """

    def __init__(self, event_type, records, seed=0):
        """Rank the records."""
        self.event_type, self.seed = event_type, seed
        self.rng = random.Random(f"{seed} {event_type} moments")
        self.choose = Choice(_targets(event_type, records, seed))

    def event(self, moment):
        """Return id and source of one event, as if processed at once.

        Args:
            moment: when it happens (naive UTC).
        """
        day = _Day(self.event_type, moment.date(), self.rng, self.seed, None)
        second = int((moment - day.midnight).total_seconds())
        event_id, source = day.document(
            second, self.choose(self.rng), visitor(self.rng), True
        )
        return event_id, source | {"updated_timestamp": datetime.now(UTC).isoformat()}


class _Day:
    """The events of one day.

    Args:
        event_type: ``view`` or ``download``.
        day: the date.
        rng: source of chance.
        seed: seed of the day's salt.
        until: no event is later than this, or None.
    """

    def __init__(self, event_type, day, rng, seed, until):
        self.rng = rng
        self.midnight = datetime(day.year, day.month, day.day)
        self.until = until
        self.end = 86400
        if until and until < self.midnight + timedelta(days=1):
            self.end = max(1, int((until - self.midnight).total_seconds()))
        self.salt = hashlib.sha256(f"{seed} {day}".encode()).hexdigest().encode()
        self.source = self.view if event_type == "view" else self.download
        self.iso, self.compact = day.isoformat(), day.strftime("%Y%m%d")
        self.written = {}

    def events(self, wanted, targets):
        """Yield ids and sources of as many different events as are wanted."""
        alive = Choice(
            [(t, w) for t, w in targets if _alive(t[0], self.midnight)] or [(None, 0)]
        )
        for second, target, who, first in sorted(
            self.clicks(wanted, alive), key=lambda click: click[0]
        ):
            yield self.document(second, target, who, first)

    def clicks(self, wanted, alive):
        """Yield ``(second, target, visitor, is first page)`` of single clicks."""
        rng, taken = self.rng, set()
        hours = Choice(
            [(h, min(1, self.end / 3600 - h) * w)
             for h, w in enumerate(HOURS) if h * 3600 < self.end]
        )  # fmt: skip
        while len(taken) < wanted:
            who = visitor(rng)
            hour = hours(rng)
            second = hour * 3600 + rng.random() * min(3600, self.end - hour * 3600)
            first = True
            while first or rng.random() < 0.5:
                target = alive(rng)
                key = (int(second) // WINDOW, target, who.key)
                if key not in taken and len(taken) < wanted:
                    taken.add(key)
                    yield int(second), target, who, first
                    if rng.random() < DOUBLE_CLICKS:
                        last = min(key[0] * WINDOW + WINDOW, self.end) - 1
                        yield rng.randint(int(second), last), target, who, first
                first = False
                second += rng.expovariate(1 / 45)
                if second >= self.end:
                    break

    def document(self, second, target, who, first):
        """Return id and source of one click."""
        visitor_id, session_id = anonymous_ids(
            who, self.salt, self.compact, second // 3600
        )
        source = self.source(f"{self.iso}T{_CLOCK[second]}", target, who, first)
        source |= {
            "is_robot": who.is_robot,
            "is_machine": who.is_machine,
            "country": who.country,
            "visitor_id": visitor_id,
            "unique_session_id": session_id,
            "unique_id": _unique_id(target),
            "updated_timestamp": self.processed(second),
        }
        window = _CLOCK[second - second % WINDOW]
        hashed = hashlib.sha1((source["unique_id"] + visitor_id).encode()).hexdigest()
        return f"{self.iso}T{window}-{hashed}", source

    def view(self, timestamp, target, who, first):
        """Return what the event builders say of a view."""
        record = target[0]
        return {
            "timestamp": timestamp,
            "recid": record.recid,
            "parent_recid": record.parent_recid,
            "referrer": who.referrer if first else f"{SITE}/search?q=data",
            # views by the API are dropped by the stock event builders
            "via_api": False,
        }

    def download(self, timestamp, target, who, first):
        """Return what the event builders say of a download."""
        record, file = target
        via_api = who.is_machine or who.draw < 0.2
        referrer = who.referrer if first else f"{SITE}/records/{record.recid}"
        return {
            "timestamp": timestamp,
            "bucket_id": file.bucket_id,
            "file_id": file.file_id,
            "file_key": file.key,
            # a whole number by the stock builder; sites that loaded old events
            # from elsewhere hold fractions, which the mapping takes as well
            "size": float(file.size) if who.draw > 0.98 else file.size,
            "recid": record.recid,
            "parent_recid": record.parent_recid,
            "referrer": None if via_api else referrer,
            "via_api": via_api,
        }

    def processed(self, second):
        """Return when the stock task, at minutes 25 and 55, has stored the event."""
        slot = (second + 300) // 1800 * 1800 + 1500
        place = self.written[slot] = self.written.get(slot, 0) + 1
        moment = self.midnight + timedelta(seconds=slot, microseconds=1 + 180 * place)
        if self.until and moment > self.until:
            moment = self.until.replace(microsecond=place % 999_999 + 1)
        return moment.replace(tzinfo=UTC).isoformat()


def _targets(event_type, records, seed):
    """Return ``((record, file), weight)`` pairs, heavy-tailed over records."""
    ranked = list(records)
    random.Random(f"{seed} ranks").shuffle(ranked)
    targets = []
    for rank, record in enumerate(ranked):
        weight = record.popularity / (rank + 3) ** 1.05
        if event_type == "view":
            targets.append(((record, None), weight))
        for n, file in enumerate(record.files if event_type == "download" else ()):
            targets.append(((record, file), weight / (n + 1)))
    return targets


def _alive(record, midnight):
    """Return whether a record can have events on a day."""
    return record.created <= midnight and (
        record.gone is None or record.gone >= midnight + timedelta(days=1)
    )


def _days(month, until, targets):
    """Return the weight of each day of a month."""
    year, number = int(month[:4]), int(month[5:])
    days = {}
    for day in range(1, monthrange(year, number)[1] + 1):
        midnight = datetime(year, number, day)
        if any(_alive(target[0], midnight) for target, _ in targets):
            part = min(1, max(0, (until - midnight).total_seconds() / 86400))
            days[midnight.date()] = WEEKDAYS[midnight.weekday()] * part
    return days


def _share_out(total, weights):
    """Share a whole number out by weights; the parts add up to it."""
    scale = total / sum(weights.values())
    parts, sofar, given = {}, 0.0, 0
    for key, weight in weights.items():
        sofar += weight * scale
        parts[key] = round(sofar) - given
        given += parts[key]
    return parts


def _elapsed(until):
    """Return the share of its month that a moment has behind it."""
    start = datetime(until.year, until.month, 1)
    seconds = monthrange(until.year, until.month)[1] * 86400
    return max((until - start).total_seconds() / seconds, 0.001)


def _unique_id(target):
    record, file = target
    return f"{file.bucket_id}_{file.file_id}" if file else f"ui_{record.recid}"


def _uuid(rng):
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _pid(rng):
    text = "".join(rng.choices("0123456789abcdefghjkmnpqrstvwxyz", k=10))
    return f"{text[:5]}-{text[5:]}"
