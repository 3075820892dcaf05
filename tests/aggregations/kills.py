# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Aggregation runs that are killed at a chosen request."""

from opensearchpy import Transport

from ..helpers.processes import kill_me


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
    writes, send = [], Transport.perform_request

    def perform_request(transport, method, url, *args, **kwargs):
        writing = method in ("PUT", "DELETE") or url.endswith(("_bulk", "_aliases"))
        if writing and "lock" not in url and any(text in url for text in at):
            writes.append(url)
            if len(writes) == number:
                kill_me()
        return send(transport, method, url, *args, **kwargs)

    Transport.perform_request = perform_request
    service = app.extensions["invenio-stats-dashboard"].community_stats_service
    service.aggregate(families=families)
    return len(writes)
