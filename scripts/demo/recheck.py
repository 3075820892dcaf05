# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Asks the stock aggregations again after the migration."""

import json
from datetime import date

RECHECKED = "rechecked.json"


def recheck(app, settings):
    """Aggregate the sample days again, run the stock task, and write down what came.

    The file has ``days``, ``documents``, ``different`` (days), ``stored`` by the stock
    task, and ``failed``.

    Args:
        app: the application.
        settings: the :class:`~.settings.Settings`.
    """
    from . import aggregates

    # ISO date -> digest, as it was before
    before = json.loads(settings.aggregates.read_text())
    with app.app_context():
        after = aggregates.digests(date.fromisoformat(day) for day in before)
        results = aggregates.catch_up()
    result = {
        "days": len(before),
        "documents": sum(int(digest.split()[0]) for digest in before.values()),
        "different": [day for day in before if before[day] != after[day]],
        "stored": sum(ok for result in results for ok, _ in result or ()),
        "failed": sum(failed for result in results for _, failed in result or ()),
    }
    (settings.root / RECHECKED).write_text(json.dumps(result, indent=1))
