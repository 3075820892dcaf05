# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Putting dead letters back, and having their days counted again.

For each batch: events are created under their own ``_id``, their days are counted
again by the stock aggregations, and only then are the letters removed. Killed at
any point, the next run does the rest: it finds the events there already, and
counts their days again.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import msgspec
from invenio_stats.proxies import current_stats

from ..errors import StatsDashboardError
from ..search import bulk
from ..search.client import patiently
from ..search.seqno import NOTHING, page, positions, scan
from .dead_letters import action, decode_letter, letter_of, store

_LIMIT = 600.0


@dataclass
class ReplayReport:
    """What was done with the dead letters.

    Attributes:
        letters: that were looked at.
        stored: events that went back.
        already_there: events that were there under their ``_id``.
        refused: that OpenSearch refuses again; they stay dead letters.
        reason: of the newest refusal, or None.
        days: that were counted again, ``YYYY-MM-DD`` by event.
        dry_run: nothing was changed; ``stored`` is what would be tried.
    """

    letters: int = 0
    stored: int = 0
    already_there: int = 0
    refused: int = 0
    reason: str | None = None
    days: dict[str, list[str]] = field(default_factory=dict)
    dry_run: bool = False

    def as_json(self):
        """Return the report as a JSON object."""
        return asdict(self)


class _Timestamp(msgspec.Struct):
    timestamp: str


_decode_timestamp = msgspec.json.Decoder(_Timestamp).decode


class Replay:
    """Puts the dead letters of one instance back.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's names.
        limit: seconds to go on trying when OpenSearch takes nothing.
        waiting: called with a sentence before each pause.
        step: called with the name of each step before it is made.
    """

    def __init__(
        self, client, text_client, names, limit=_LIMIT, waiting=None, step=None
    ):
        """Keep what is needed."""
        self._client, self._text_client = client, text_client
        self._names, self._limit, self._waiting = names, limit, waiting
        self._step = step or (lambda name: None)

    def run(self, dry_run=False, batch=500):
        """Go through the letters that are there now.

        Needs an application context, for the stock aggregations.

        Args:
            dry_run: change nothing.
            batch: letters at a time.

        Returns:
            Replayed: what was done.

        Raises:
            StatsDashboardError: the days cannot be counted, or a letter cannot be
                written; what was not finished is done by the next run.
            SearchUnavailableError: OpenSearch takes nothing.
        """
        done = ReplayReport(dry_run=dry_run)
        if not self._client.indices.exists(index=self._names.dead_letter):
            return done
        # letters that are refused again get a higher number, and are not met again
        found = positions(self._client, self._names.dead_letter)
        self._client.indices.refresh(index=self._names.dead_letter)
        for shard, position in found.items():

            def fetch(after, upto, shard=shard):
                return patiently(
                    lambda: self._page(shard, after, upto, batch),
                    self._limit,
                    self._waiting,
                )

            for _, hits in scan(fetch, NOTHING, position.checkpoint, batch):
                if hits:
                    self._batch(hits, done)
        return done

    def _page(self, shard, after, upto, size):
        index = self._names.dead_letter
        return page(self._text_client, index, shard, after, upto, size, terms=True)

    def _batch(self, hits, done):
        letters = [decode_letter(hit.source) for hit in hits]
        there = self._there(letters)
        done.letters += len(letters)
        if done.dry_run:
            done.already_there += len(there)
            done.stored += len(letters) - len(there)
            return
        self._step("create")
        refusals = {r.position: r for r in self._create(letters)}
        back = [n for n in range(len(letters)) if n not in refusals]
        self._step("count")
        self._count([letters[n] for n in back], done)
        self._step("remove")
        self._remove([hits[n] for n in back])
        self._keep_refused(hits, letters, refusals)
        already = sum(n in there for n in back)
        done.already_there += already
        done.stored += len(back) - already
        done.refused += len(refusals)
        if refusals:
            done.reason = _sentence(refusals[max(refusals)])

    def _there(self, letters):
        """Return the positions of letters whose events are in their months."""
        docs = [{"_index": x.index, "_id": x.id, "_source": False} for x in letters]
        answer = self._client.mget(body={"docs": docs})["docs"]
        return {n for n, doc in enumerate(answer) if doc.get("found")}

    def _create(self, letters):
        # "updated" is when an event was indexed: who goes on from where it was
        # must see that these came late
        now = datetime.now(UTC).isoformat()
        actions = [
            msgspec.json.encode({"create": {"_index": x.index, "_id": x.id}})
            + b"\n"
            + _updated(x.source, now)
            + b"\n"
            for x in letters
        ]
        return bulk.write(
            self._text_client, None, actions, self._limit, waiting=self._waiting
        )

    def _count(self, letters, done):
        """Have the stock aggregations count the days of events again."""
        days = defaultdict(set)
        for letter in letters:
            days[letter.index].add(_decode_timestamp(letter.source).timestamp[:10])
        for index, of_index in days.items():
            self._client.indices.refresh(index=index)
            for name in aggregations_of(self._names, index):
                count_again(name, sorted(of_index))
                counted = {*done.days.get(name, ()), *of_index}
                done.days[name] = sorted(counted)

    def _remove(self, hits):
        # with the version that was read: one that was kept anew meanwhile stays
        store(
            self._text_client,
            self._names,
            [msgspec.json.encode({"delete": _versioned(hit)}) + b"\n" for hit in hits],
            self._limit,
            self._waiting,
        )

    def _keep_refused(self, hits, letters, refusals):
        now = datetime.now(UTC).isoformat()
        actions = []
        for n, refusal in refusals.items():
            x = letters[n]
            head = {"_index": x.index, "_id": x.id, "_op_type": x.op_type}
            letter = letter_of(head, x.source, _sentence(refusal), now)
            actions.append(action(_versioned(hits[n]), letter))
        store(self._text_client, self._names, actions, self._limit, self._waiting)


def _versioned(hit):
    return {"_id": hit.id, "if_seq_no": hit.seq_no, "if_primary_term": hit.term}


def _sentence(refusal):
    return f"{refusal.type}: {refusal.reason}"


def _updated(source, now):
    """Return an event with another ``updated_timestamp`` and nothing else changed."""
    try:
        fields = msgspec.json.decode(source, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return bytes(source)  # no object at all: OpenSearch says so better
    stamp = {"updated_timestamp": msgspec.Raw(msgspec.json.encode(now))}
    # in its place, or first: enrichment is found by being last
    return msgspec.json.encode({**stamp, **fields, **stamp})


def aggregations_of(names, index):
    """Return the names of the stock aggregations that count the events of an index.

    Args:
        names: the instance's names.
        index: name of a month as the indexer writes to it.

    Returns:
        list[str]: keys of ``STATS_AGGREGATIONS``.
    """
    return [
        name
        for name, aggregation in current_stats.aggregations.items()
        if (event := aggregation.params.get("event"))
        and index.startswith(f"{names.prefix}events-stats-{event}-")
    ]


class _Unmarked:
    """A bookmark that says nothing of earlier runs."""

    def get_bookmark(self, *_):
        """Return None: no bucket of a day is skipped as counted before."""


def count_again(name, days):
    """Run a stock aggregation for some days, whatever it has counted before.

    invenio-stats passes over each record of a day whose newest event was indexed
    before the aggregation's bookmark, even when it is asked for that day. A run
    between the return of an event and this one would hide the event from it, so
    it is given no bookmark. The stored bookmark stays as it is.

    Args:
        name: key of ``STATS_AGGREGATIONS``.
        days: ``YYYY-MM-DD`` each.

    Raises:
        StatsDashboardError: some numbers could not be written.
    """
    config = current_stats.aggregations[name]
    aggregator = config.cls(name=config.name, **config.params)
    aggregator.bookmark_api = _Unmarked()
    for day in days:
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
        end = start.replace(hour=23, minute=59, second=59)
        results = aggregator.run(start, end, update_bookmark=False)
        failed = sum(failed for _, failed in results or ())
        if failed:
            raise StatsDashboardError(
                f"{name} could not write {failed} numbers of {day}. The events are "
                "back and their dead letters are kept; run the same command again."
            )
