# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Asks the stock aggregations again after the migration.

Run in a process of its own, as it needs an application::

    python -m scripts.demo.recheck
"""

import argparse
import json
import os
import sys
from datetime import date

from .settings import Settings

RECHECKED = "rechecked.json"


def main(argv=None):
    """Compare what the stock aggregations make of the sample days with before."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo.recheck")
    parser.add_argument("--root", default=".demo")
    settings = Settings.from_environment(parser.parse_args(argv).root)
    environment = settings.environment()
    os.environ.clear()
    os.environ.update(environment)
    before = json.loads(settings.aggregates.read_text())
    result = recheck(settings, before)
    (settings.root / RECHECKED).write_text(json.dumps(result, indent=1))


def recheck(settings, before):
    """Aggregate the sample days again and run the stock task.

    Args:
        settings: the :class:`~.settings.Settings`.
        before: ISO date -> digest, as it was before.

    Returns:
        dict: ``days``, ``documents``, ``different`` (days) and ``stored`` by the
        stock task.
    """
    from . import aggregates, instance

    app = instance.make_app(settings, COMMUNITY_STATS_ENABLED=True)
    with app.app_context():
        after = aggregates.digests(date.fromisoformat(day) for day in before)
        results = aggregates.catch_up()
    return {
        "days": len(before),
        "documents": sum(int(digest.split()[0]) for digest in before.values()),
        "different": [day for day in before if before[day] != after[day]],
        "stored": sum(ok for result in results for ok, _ in result or ()),
        "failed": sum(failed for result in results for _, failed in result or ()),
    }


if __name__ == "__main__":
    sys.exit(main())
