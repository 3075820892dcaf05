# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Identify the rules by which records are counted.

A run stores them, and counts all records again when they are others. ``status`` compares
them as well, so that it reports the records before that run.
"""

import hashlib
import json
from collections.abc import Mapping

from ...subcounts import Subcount, for_records
from ..source_positions import SourcePosition

RULES = "rules"
"""Name of the bookmark that holds the rules; it belongs to no index."""

_REVISION = 3
"""Increase this when the same events and facts give other documents than before, or if
contributions are stored in another form."""


def record_rules(subcounts: Mapping[str, Subcount], top: int, show_hidden: bool) -> str:
    """Return a hash of all that documents depend on besides events and facts.

    Args:
        subcounts: the registry of breakdowns.
        top: number of values in a snapshot of a ``top`` breakdown.
        show_hidden: whether hidden records count under their own values everywhere.
    """
    records = for_records(subcounts)
    limits = sorted((s.key, top) for s in records if s.show == "top")
    rules = json.dumps([_REVISION, [s.key for s in records], limits, show_hidden])
    return hashlib.sha256(rules.encode()).hexdigest()[:16]


def has_other_record_rules(
    stored: Mapping[str, SourcePosition], rules: str | None
) -> bool:
    """Return whether records were counted by other rules than the given ones.

    The next run then counts all communities again.

    Args:
        stored: the bookmarks of the sources of records, by name.
        rules: the result of :func:`record_rules`; None for no comparison.
    """
    return rules is not None and RULES in stored and stored[RULES].uuid != rules
