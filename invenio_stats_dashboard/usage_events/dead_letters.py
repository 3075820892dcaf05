# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Events that OpenSearch refuses for good, kept until somebody puts them back.

What is kept is the finished action, after the site's preprocessors: anonymised,
with its index and its ``_id``. So nothing of it has to be worked out again, and
putting it back twice is putting it back once.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from ..errors import StatsDashboardError
from ..search import bulk
from ..search import index_templates as templates
from ..search.client import patiently
from ..search.names import SCHEMA

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
        # nothing of it is looked at, so nothing of it can be refused
        "source": {"type": "object", "enabled": False},
    }
)


class Letter(msgspec.Struct):
    """One action that was refused.

    Attributes:
        index: that it was for, as the indexer names it.
        id: the event's ``_id``.
        op_type: ``index`` or ``create``.
        reason: why OpenSearch refused it, the last time.
        refused_at: when that was, ISO 8601 with offset.
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
    """What is kept.

    Attributes:
        count: number of events.
        reason: of the newest refusal, or None if there is none.
        refused_at: when that was, ISO 8601 with offset, or None.
    """

    count: int = 0
    reason: str | None = None
    refused_at: str | None = None


def index_templates(names):
    """Return the composable template of the index, by name.

    Args:
        names: the instance's :class:`~..search.names.Names`.
    """
    return {
        f"{names.dead_letter}-v{SCHEMA}": templates.template(
            [names.dead_letter], _MAPPING
        )
    }


def keep(text_client, names, letters, limit=_LIMIT, waiting=None):
    """Store actions that were refused; keeping one twice is keeping it once.

    Args:
        text_client: a client that does not decode.
        names: the instance's names.
        letters: list of ``(head, source, reason)``: a dict with ``_index``,
            ``_id`` and ``_op_type``, the source's bytes, and OpenSearch's sentence.
        limit: seconds to go on trying.
        waiting: called with a sentence before each pause.

    Raises:
        StatsDashboardError: one cannot be stored; whoever holds the message must
            not acknowledge it.
        SearchUnavailableError: OpenSearch took nothing for ``limit`` seconds.
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


def letter_of(head, source, reason, now):
    """Return the letter of a refused action.

    Args:
        head: a dict with ``_index``, ``_id`` and ``_op_type``.
        source: the source's bytes.
        reason: OpenSearch's sentence; a long one is cut.
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


def letter_id(index, id):
    """Return the ``_id`` under which an action is kept; one for index and id."""
    return hashlib.sha256(f"{index}\n{id}".encode()).hexdigest()


def action(head, letter):
    """Return the bulk lines that store a letter.

    Args:
        head: of the bulk action: ``_id``, and maybe the version to replace.
        letter: the :class:`Letter`.
    """
    line = msgspec.json.encode({"index": head})
    return line + b"\n" + msgspec.json.encode(letter) + b"\n"


def store(text_client, names, actions, limit=_LIMIT, waiting=None):
    """Make changes to the index of the dead letters.

    Args:
        text_client: a client that does not decode.
        names: the instance's names.
        actions: list of bytes, bulk lines each.
        limit: seconds to go on trying.
        waiting: called with a sentence before each pause.

    Raises:
        StatsDashboardError: one is refused.
        SearchUnavailableError: OpenSearch took nothing for ``limit`` seconds.
    """
    refusals = bulk.write(
        text_client, names.dead_letter, actions, limit, waiting=waiting
    )
    if refusals:
        raise StatsDashboardError(
            f"{len(refusals)} refused events cannot be kept in {names.dead_letter} "
            f"either; the first is {refusals[0]}. See what is wrong with that index."
        )


def read_dead_letters(client, names):
    """Return how many events are kept, and why the newest was refused.

    Args:
        client: an ordinary client.
        names: the instance's names.

    Returns:
        DeadLetters: empty if there is no such index.
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
        params={"allow_partial_search_results": "false"},
    )
    hits = answer["hits"]
    newest = hits["hits"][0]["_source"] if hits["hits"] else {}
    return DeadLetters(
        hits["total"]["value"], newest.get("reason"), newest.get("refused_at")
    )
