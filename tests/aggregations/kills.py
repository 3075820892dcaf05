# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Runs of the aggregation that are killed at a request of choice."""

from opensearchpy import Transport

from ..helpers.processes import kill_me


def killed_at(app, families, number, at=("",)):
    """Aggregate; be killed before one of the requests that write.

    Args:
        app: the application, in a process of its own.
        families: those to aggregate.
        number: of the request, from 1.
        at: only requests count whose address has one of these texts in it.

    Returns:
        int: how many requests wrote, if there were fewer.
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
