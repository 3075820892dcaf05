# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A refused write of a migration is never taken for a successful one."""

import pytest

from invenio_stats_dashboard.errors import LockLostError
from invenio_stats_dashboard.migration.copier import Copier
from invenio_stats_dashboard.search.client import json_client, text_client


def test_a_deletion_without_its_fence_is_an_error(app, events_of):
    index, ids = events_of.legacy_index("view", "2025-01"), ["a", "b"]
    for id in ids:
        events_of.client.index(index=index, id=id, body={}, refresh=True)
    client = json_client(app)
    copier = Copier(
        client=client,
        text_client=text_client(app),
        splicer=None,
        gate=None,
        batch_size=10,
        write_limit=1,
        timeout=10,
        check=lambda: None,
        waiting=lambda reason: None,
        sleep=lambda seconds: None,
    )
    with pytest.raises(LockLostError):
        copier.delete(f"{index}-fence-of-another-run", ids)
    assert events_of.client.count(index=index)["count"] == len(ids)
