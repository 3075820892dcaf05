# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Kill aggregation runs at a chosen request."""

from ..helpers.processes import kill_me
from ..helpers.search_requests import before_requests


def killed_at(app, families, number, at=("",)):
    """Aggregate, and be killed before one of the requests that write.

    Args:
        app: the application, in a process of its own.
        families: the families to aggregate.
        number: number of the request, from 1.
        at: count only requests whose path contains one of these texts.

    Returns:
        int: the number of requests that wrote, if there were fewer.
    """
    writes = []

    def count(request):
        path = request.path
        if request.writes and "lock" not in path and any(text in path for text in at):
            writes.append(path)
            if len(writes) == number:
                kill_me()

    service = app.extensions["invenio-stats-dashboard"].community_stats_service
    with before_requests(count):
        service.aggregate(families=families)
    return len(writes)
