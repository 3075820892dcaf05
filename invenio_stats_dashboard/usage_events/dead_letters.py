# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store the events that OpenSearch refuses, so that they can be replayed.

A dead letter contains the refused bulk action. The site's preprocessors have already
run, so the event is anonymised and has its index and ``_id``. A replay computes
nothing again, and an event that is replayed twice is stored once.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from ..errors import StatsDashboardError
from ..search import bulk
from ..search import index_templates as templates
from ..search.client import patiently
from ..search.names import SCHEMA, Names

_LIMIT = 3600.0
_LONGEST_REASON = 2000
_TEXT = {"type": "keyword", "index": False, "doc_values": False}
_MAPPING = templates.strict(
    {
        "index": {"type": "keyword", "ignore_above": 512},
        "id": _TEXT,
        "op_type": _TEXT,
        "reason": _TEXT,
        "refused_at": {"type": "date"},
        # OpenSearch does not parse the source, so it cannot refuse it.
        "source": {"type": "object", "enabled": False},
    }
)


class Letter(msgspec.Struct):
    """A dead letter: one refused action.

    Attributes:
        index: name of the index or alias, as the indexer uses it.
        id: the event's ``_id``.
        op_type: ``index`` or ``create``.
        reason: why OpenSearch refused it the last time.
        refused_at: time of the last refusal, ISO 8601 with offset.
        source: the event's exact bytes.
    """

    index: str
    id: str
    op_type: str
    reason: str
    refused_at: str
    source: msgspec.Raw


decode_letter = msgspec.json.Decoder(Letter).decode


@dataclass(frozen=True)
class DeadLetters:
    """A summary of all dead letters.

    Attributes:
        count: number of dead letters.
        reason: reason of the newest refusal; None without dead letters.
        refused_at: time of the newest refusal, ISO 8601 with offset; None without
            dead letters.
    """

    count: int = 0
    reason: str | None = None
    refused_at: str | None = None


def index_templates(names: Names) -> dict[str, dict[str, Any]]:
    """Return the composable template of the index, by name."""
    return {
        f"{names.dead_letter}-v{SCHEMA}": templates.template(
            [names.dead_letter], _MAPPING
        )
    }


def keep(
    text_client: OpenSearch,
    names: Names,
    letters: Sequence[tuple[Mapping[str, str], bytes, str]],
    limit: float = _LIMIT,
    waiting: Callable[[str], None] | None = None,
) -> None:
    """Store refused actions; an action that is stored twice becomes one dead letter.

    Args:
        text_client: does not decode responses.
        names: the instance's index names.
        letters: the head of each action with ``_index``, ``_id`` and ``_op_type``, the
            source's bytes, and OpenSearch's reason.
        limit: seconds to retry.
        waiting: called with a sentence before each pause.

    Raises:
        StatsDashboardError: an action cannot be stored. Its message must not be
            acknowledged.
        SearchUnavailableError: OpenSearch stored nothing for ``limit`` seconds.
    """
    if not letters:
        return
    patiently(
        lambda: templates.make(text_client, names.dead_letter, _MAPPING),
        limit,
        waiting,
    )
    now = datetime.now(UTC).isoformat()
    actions = [
        action(
            {"_id": letter_id(head["_index"], head["_id"])},
            letter_of(head, source, reason, now),
        )
        for head, source, reason in letters
    ]
    store(text_client, names, actions, limit, waiting)


def letter_of(head: Mapping[str, str], source: bytes, reason: str, now: str) -> Letter:
    """Return the dead letter of a refused action.

    Args:
        head: ``_index``, ``_id`` and ``_op_type``.
        source: the source's bytes.
        reason: OpenSearch's reason; a long one is cut.
        now: ISO 8601 with offset.
    """
    return Letter(
        index=head["_index"],
        id=head["_id"],
        op_type=head["_op_type"],
        reason=reason[:_LONGEST_REASON],
        refused_at=now,
        source=msgspec.Raw(bytes(source).strip()),
    )


def letter_id(index: str, id: str) -> str:
    """Return the ``_id`` of a dead letter, a hash of its event's index and ``_id``."""
    return hashlib.sha256(f"{index}\n{id}".encode()).hexdigest()


def action(head: Mapping[str, Any], letter: Letter) -> bytes:
    """Return the bulk lines that store a dead letter.

    Args:
        head: ``_id``, and optionally the version to replace.
        letter: the dead letter.
    """
    line = msgspec.json.encode({"index": head})
    return line + b"\n" + msgspec.json.encode(letter) + b"\n"


def store(
    text_client: OpenSearch,
    names: Names,
    actions: Sequence[bytes],
    limit: float = _LIMIT,
    waiting: Callable[[str], None] | None = None,
) -> None:
    """Write to the index of dead letters.

    Args:
        text_client: does not decode responses.
        names: the instance's index names.
        actions: the bulk lines of each action.
        limit: seconds to retry.
        waiting: called with a sentence before each pause.

    Raises:
        StatsDashboardError: OpenSearch refuses an action.
        SearchUnavailableError: OpenSearch stored nothing for ``limit`` seconds.
    """
    refusals = bulk.write(
        text_client, names.dead_letter, actions, limit, waiting=waiting
    )
    if refusals:
        raise StatsDashboardError(
            f"OpenSearch also refuses to store {len(refusals)} dead letters in "
            f"{names.dead_letter}; the first: {refusals[0]}. Check that index."
        )


def read_dead_letters(client: OpenSearch, names: Names) -> DeadLetters:
    """Return the number of dead letters, and why the newest was refused.

    Args:
        client: decodes responses.
        names: the instance's index names.

    Returns:
        The summary; empty if the index does not exist.
    """
    if not client.indices.exists(index=names.dead_letter):
        return DeadLetters()
    client.indices.refresh(index=names.dead_letter)
    answer = client.search(
        index=names.dead_letter,
        body={
            "size": 1,
            "sort": [{"refused_at": "desc"}],
            "_source": ["reason", "refused_at"],
            "track_total_hits": True,
        },
    )
    hits = answer["hits"]
    newest = hits["hits"][0]["_source"] if hits["hits"] else {}
    return DeadLetters(
        hits["total"]["value"], newest.get("reason"), newest.get("refused_at")
    )
