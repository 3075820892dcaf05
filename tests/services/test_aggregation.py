# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the lock index and the helpers of a run."""

import pytest
from celery import current_app as current_celery

from invenio_stats_dashboard import tasks
from invenio_stats_dashboard.package_templates import put_templates

from ..helpers.brokers import unreachable_broker


@pytest.mark.parametrize("method", ["aggregate", "catch_up", "clear_bookmarks"])
def test_the_lock_finds_an_index_with_its_mapping(method, fresh, client, names):
    # as where OpenSearch was away when the application started
    client.indices.delete_index_template(name=f"{names.prefix}stats-community-*")
    service = fresh.extensions["invenio-stats-dashboard"].community_stats_service
    try:
        with fresh.app_context():
            getattr(service, method)()
            mapping = client.indices.get_mapping(index=names.bookmarks)
            properties = mapping[names.bookmarks]["mappings"]["properties"]
            assert properties["kind"]["type"] == "keyword"
            assert properties["community_id"]["type"] == "keyword"
            service.aggregate()
    finally:
        put_templates(fresh, client)


def test_a_run_goes_on_alone_where_the_broker_is_away(fresh, monkeypatch, caplog):
    monkeypatch.setitem(current_celery.conf, "task_always_eager", False)
    with fresh.app_context(), unreachable_broker(monkeypatch):
        tasks._send_helpers("a run", 10)
    assert "the aggregation runs without helpers" in caplog.text
