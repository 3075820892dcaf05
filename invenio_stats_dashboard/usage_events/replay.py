# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Index dead letters again, and aggregate their days again.

Each batch has three steps. First, its events are created under their own ``_id``.
Second, the stock aggregations count their days again. Third, the dead letters are
removed. If a run is killed, the next run does the rest: it finds the events already
stored and counts their days again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from invenio_stats.proxies import current_stats
from opensearchpy import OpenSearch

from ..errors import StatsDashboardError
from ..search import bulk
from ..search.client import patiently
from ..search.multi_get import get_many
from ..search.names import Names
from ..search.seqno import NOTHING, StoredDocument, page, positions, scan
from .dead_letters import Letter, action, decode_letter, letter_of, store

_LIMIT = 600.0


@dataclass
class ReplayReport:
    """The outcome of a replay.

    Attributes:
        letters: number of dead letters that were read.
        stored: number of events that are stored again.
        already_there: number of events that were already stored under their ``_id``.
        refused: number of events that OpenSearch refuses again. They remain dead
            letters.
        reason: reason of the newest refusal, or None.
        days: days that were counted again, ``YYYY-MM-DD``, by stock aggregation.
        dry_run: whether nothing was changed. If so, ``stored`` is the number of
            events to store.
    """

    letters: int = 0
    stored: int = 0
    already_there: int = 0
    refused: int = 0
    reason: str | None = None
    days: dict[str, list[str]] = field(default_factory=dict)
    dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return asdict(self)


class _Timestamp(msgspec.Struct):
    timestamp: str


_decode_timestamp = msgspec.json.Decoder(_Timestamp).decode


class Replay:
    """Replays the dead letters of one instance.

    Args:
        client: decodes responses.
        text_client: does not decode responses.
        names: the instance's index names.
        limit: seconds to retry while OpenSearch stores nothing.
        waiting: called with a sentence before each pause.
        step: called with the name of each step before it starts.
    """

    def __init__(
        self,
        client: OpenSearch,
        text_client: OpenSearch,
        names: Names,
        limit: float = _LIMIT,
        waiting: Callable[[str], None] | None = None,
        step: Callable[[str], None] | None = None,
    ) -> None:
        self._client, self._text_client = client, text_client
        self._names, self._limit, self._waiting = names, limit, waiting
        self._step = step or (lambda name: None)

    def run(self, dry_run: bool = False, batch: int = 500) -> ReplayReport:
        """Replay the dead letters that exist now.

        The stock aggregations need an application context.

        Args:
            dry_run: change nothing.
            batch: number of dead letters to replay at once.

        Raises:
            StatsDashboardError: the days cannot be counted, or a dead letter cannot
                be written. The next run does the rest.
            SearchUnavailableError: OpenSearch stored nothing within the limit.
        """
        done = ReplayReport(dry_run=dry_run)
        if not self._client.indices.exists(index=self._names.dead_letter):
            return done
        # Dead letters that are refused again get a higher sequence number than the
        # checkpoint, so this run does not read them again.
        found = positions(self._client, self._names.dead_letter)
        self._client.indices.refresh(index=self._names.dead_letter)
        for shard, position in found.items():

            def fetch(
                after: int, upto: int, shard: int = shard
            ) -> list[StoredDocument]:
                return patiently(
                    lambda: self._page(shard, after, upto, batch),
                    self._limit,
                    self._waiting,
                )

            for _, hits in scan(fetch, NOTHING, position.checkpoint, batch):
                if hits:
                    self._batch(hits, done)
        return done

    def _page(
        self, shard: int, after: int, upto: int, size: int
    ) -> list[StoredDocument]:
        index = self._names.dead_letter
        return page(self._text_client, index, shard, after, upto, size, terms=True)

    def _batch(self, hits: Sequence[StoredDocument], done: ReplayReport) -> None:
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

    def _there(self, letters: Sequence[Letter]) -> set[int]:
        """Return the positions of the letters whose events are already stored."""
        docs = [{"_index": x.index, "_id": x.id} for x in letters]
        found = patiently(
            lambda: get_many(self._client, docs, source=False),
            self._limit,
            self._waiting,
        )
        return {n for n, doc in enumerate(found) if doc}

    def _create(self, letters: Sequence[Letter]) -> list[bulk.Refusal]:
        # "updated_timestamp" is the time of indexing. Aggregations that continue from
        # a bookmark must see that these events are new.
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

    def _count(self, letters: Iterable[Letter], done: ReplayReport) -> None:
        """Make the stock aggregations count the days of the events again."""
        days: defaultdict[str, set[str]] = defaultdict(set)
        for letter in letters:
            days[letter.index].add(_decode_timestamp(letter.source).timestamp[:10])
        for index, of_index in days.items():
            self._client.indices.refresh(index=index)
            for name in aggregations_of(self._names, index):
                count_again(name, sorted(of_index))
                counted = {*done.days.get(name, ()), *of_index}
                done.days[name] = sorted(counted)

    def _remove(self, hits: Iterable[StoredDocument]) -> None:
        # With the version that was read: a newer dead letter of the event remains.
        store(
            self._text_client,
            self._names,
            [msgspec.json.encode({"delete": _versioned(hit)}) + b"\n" for hit in hits],
            self._limit,
            self._waiting,
        )

    def _keep_refused(
        self,
        hits: Sequence[StoredDocument],
        letters: Sequence[Letter],
        refusals: Mapping[int, bulk.Refusal],
    ) -> None:
        """Store the new reason in dead letters that are refused again."""
        now = datetime.now(UTC).isoformat()
        actions = []
        for n, refusal in refusals.items():
            x = letters[n]
            head = {"_index": x.index, "_id": x.id, "_op_type": x.op_type}
            letter = letter_of(head, x.source, _sentence(refusal), now)
            actions.append(action(_versioned(hits[n]), letter))
        store(self._text_client, self._names, actions, self._limit, self._waiting)


def _versioned(hit: StoredDocument) -> dict[str, Any]:
    return {"_id": hit.id, "if_seq_no": hit.seq_no, "if_primary_term": hit.term}


def _sentence(refusal: bulk.Refusal) -> str:
    return f"{refusal.type}: {refusal.reason}"


def _updated(source: bytes, now: str) -> bytes:
    """Return an event with a new ``updated_timestamp`` and no other change."""
    try:
        fields = msgspec.json.decode(source, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return bytes(source)  # Not a JSON object: OpenSearch refuses it.
    stamp = {"updated_timestamp": msgspec.Raw(msgspec.json.encode(now))}
    # A new field comes first, because the enriched fields must remain last.
    return msgspec.json.encode({**stamp, **fields, **stamp})


def aggregations_of(names: Names, index: str) -> list[str]:
    """Return the stock aggregations that count the events of an index.

    Args:
        names: the instance's index names.
        index: stock name of a month, as the indexer uses it.

    Returns:
        Keys of ``STATS_AGGREGATIONS``.
    """
    return [
        name
        for name, aggregation in current_stats.aggregations.items()
        if (event := aggregation.params.get("event"))
        and index.startswith(f"{names.prefix}events-stats-{event}-")
    ]


class _Unmarked:
    """Stands in for the bookmark API of a stock aggregation, without a bookmark."""

    def get_bookmark(self, *_: object) -> None:
        """Return None, so that the aggregation skips no record of a day."""


def count_again(name: str, days: Iterable[str]) -> None:
    """Run a stock aggregation for some days, including records it has counted before.

    Even for a given day, invenio-stats skips each record whose newest event was indexed
    before the aggregation's bookmark. If the aggregation has run since the event was
    stored, it would skip the event here. It therefore runs without a bookmark. The
    stored bookmark does not change.

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
                f"{name} could not write {failed} documents of {day}. The events are "
                "stored and their dead letters remain. Run the same command again."
            )
