# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Index templates are put at application start and with ``index init``."""

import itertools
import json
import logging
import socket
import sys
import time
from dataclasses import replace

import pytest
from invenio_search.proxies import current_search

from invenio_stats_dashboard.ext import finalize_app
from invenio_stats_dashboard.search.mappings import ENRICHED_FIELDS
from invenio_stats_dashboard.search.names import FAMILIES, INTERNAL, META_KEY
from invenio_stats_dashboard.search.template_composition import REVISION

from ..conftest import remove_statistics
from ..helpers import instance
from ..helpers.processes import Forked
from ..helpers.usage import stock_body


@pytest.fixture()
def clean(app, client, names):
    """Return the app without usage events; reset its templates afterwards."""
    remove_statistics(client, names)
    with app.app_context():
        finalize_app(app)
        before = ours(client, names.prefix)
        yield app
        remove_statistics(client, names)
        for name in (f"{names.prefix}site", f"{names.prefix}site-part"):
            for path in ("_template", "_index_template", "_component_template"):
                client.transport.perform_request(
                    "DELETE", f"/{path}/{name}", params={"ignore": 404}
                )
    restore(client, names, before)


def restore(client, names, before):
    """Put back the templates of this package that a test has changed.

    Args:
        client: decodes responses.
        names: the instance's index names.
        before: the templates before the test, by name.
    """
    now = ours(client, names.prefix)
    for name, body in before.items():
        if now.get(name) != body:
            client.indices.put_index_template(name=name, body=body)
    assert not set(now) - set(before)


def view_template(names):
    """Return the name of the template for the months of views."""
    return f"{names.events_alias('view')}-v2.0.0"


def drop_ours(client, names):
    """Delete this package's templates of usage events."""
    client.indices.delete_index_template(
        name=f"{names.prefix}events-stats-*", ignore=[404]
    )


def ours(client, prefix):
    """Return the templates of this package, by name."""
    found = client.indices.get_index_template(name=f"{prefix}*", ignore=[404])
    return {
        t["name"]: t["index_template"]
        for t in found.get("index_templates", [])
        if META_KEY in t["index_template"].get("_meta", {})
    }


def put_with(client, name, revision, priority):
    """Store a template again with another revision in its ``_meta``."""
    (found,) = client.indices.get_index_template(name=name)["index_templates"]
    body = found["index_template"]
    body["_meta"][META_KEY]["revision"] = revision
    client.indices.put_index_template(name=name, body={**body, "priority": priority})


def fields_of(client, index):
    """Write an event to a month, as the stock indexer does; return mapped fields."""
    client.index(index=index, id="1", body={"timestamp": "2026-02-03T04:05:06"})
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    return mapping["properties"]


def stock_fields(app):
    """Return the fields of the stock mapping of views."""
    return set(stock_body(app, "view")["mappings"]["properties"])


# -- when templates are put -------------------------------------------------


def test_the_start_puts_templates_that_a_running_instance_lacks(clean, client, names):
    drop_ours(client, names)
    finalize_app(clean)
    found = ours(client, names.prefix)
    for event_type in ("view", "download"):
        alias = names.events_alias(event_type)
        assert {f"{alias}-v2.0.0", f"{alias}-migrated-v2.0.0"} <= set(found)


def test_start_replaces_an_older_template(clean, client, names):
    name = view_template(names)
    put_with(client, name, REVISION - 1, 499)
    finalize_app(clean)
    assert ours(client, names.prefix)[name]["priority"] == 500


@pytest.mark.parametrize("revision", [REVISION, REVISION + 1])
def test_the_start_does_not_replace_an_equal_or_newer_template(
    revision, clean, client, names
):
    name = view_template(names)
    put_with(client, name, revision, 499)
    finalize_app(clean)
    assert ours(client, names.prefix)[name]["priority"] == 499


def test_the_start_replaces_templates_after_a_change_of_configuration(
    clean, client, names, monkeypatch
):
    monkeypatch.setitem(clean.config, "STATS_DASHBOARD_TEMPLATE_PRIORITY", 700)
    finalize_app(clean)
    assert ours(client, names.prefix)[view_template(names)]["priority"] == 700


def test_index_init_puts_the_templates(clean, client, names):
    drop_ours(client, names)
    put = [name for name, _ in current_search.put_index_templates()]
    assert view_template(names) in put
    assert view_template(names) in ours(client, names.prefix)


def test_a_disabled_extension_puts_no_templates(app, client, where):
    elsewhere = replace(where, prefix=f"{where.prefix[:-1]}off-")

    def start():
        other = instance.create(elsewhere, COMMUNITY_STATS_ENABLED=False)
        with other.app_context():
            list(current_search.put_templates(ignore=[400]))
            list(current_search.put_index_templates())

    Forked(app, start).wait()
    try:
        assert ours(client, elsewhere.prefix) == {}
    finally:
        instance.remove_indices(elsewhere.prefix)


def test_composable_stock_templates_work_too(app, client, where):
    elsewhere = replace(where, prefix=f"{where.prefix[:-1]}init-")

    def start():
        other = instance.create(elsewhere, STATS_REGISTER_INDEX_TEMPLATES=True)
        with other.app_context():
            list(current_search.put_templates())
            list(current_search.put_component_templates())
            list(current_search.put_index_templates())

    Forked(app, start).wait()
    try:
        month = f"{elsewhere.prefix}events-stats-record-view-2026-02"
        assert set(ENRICHED_FIELDS) <= set(fields_of(client, month))
        aggregate = f"{elsewhere.prefix}stats-record-view-2026-02"
        client.index(index=aggregate, body={"timestamp": "2026-02-03T00:00:00"})
        made = client.indices.get(index=aggregate)[aggregate]
        assert made["mappings"]["properties"]["unique_id"] == {"type": "keyword"}
        assert f"{elsewhere.prefix}stats-record-view" in made["aliases"]
    finally:
        instance.remove_indices(elsewhere.prefix)


# -- an unreachable cluster -------------------------------------------------


def test_a_start_without_a_cluster_logs_a_warning(clean, monkeypatch, caplog):
    monkeypatch.setitem(clean.config, "SEARCH_HOSTS", ["localhost:1"])
    with caplog.at_level(logging.WARNING):
        finalize_app(clean)
    assert "could not be checked" in caplog.text


def test_the_start_waits_no_longer_than_its_timeout(clean, monkeypatch, caplog):
    with socket.create_server(("localhost", 0)) as silent:
        host = f"localhost:{silent.getsockname()[1]}"
        monkeypatch.setitem(clean.config, "SEARCH_HOSTS", [host])
        monkeypatch.setitem(clean.config, "STATS_DASHBOARD_STARTUP_TIMEOUT", 0.5)
        start = time.monotonic()
        with caplog.at_level(logging.WARNING):
            finalize_app(clean)
        assert time.monotonic() - start < 1.5
    assert "could not be checked" in caplog.text


# -- contents of templates --------------------------------------------------


def test_a_new_month_is_in_the_read_alias_and_a_target_index_is_not(
    clean, client, names
):
    month, target = (
        names.events_month("view", "2026-02"),
        names.events_target("view", "2026-01"),
    )
    fields_of(client, month)
    fields_of(client, target)
    read = names.events_alias("view")
    assert set(client.indices.get_alias(index=month)[month]["aliases"]) == {read}
    assert client.indices.get_alias(index=target)[target]["aliases"] == {}


def test_a_new_month_has_the_stock_fields_and_ours(clean, client, names):
    found = fields_of(client, names.events_month("view", "2026-02"))
    assert set(found) >= stock_fields(clean) | set(ENRICHED_FIELDS)


SITE = {"properties": {"site_field": {"type": "keyword"}}}


def test_a_field_of_the_sites_own_template_file_survives(
    clean, client, names, monkeypatch, tmp_path
):
    folder = tmp_path / "site_of_test" / "os-v2"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder.parent / "__init__.py").touch()
    body = stock_body(clean, "view")
    body["mappings"]["properties"].update(SITE["properties"])
    body["index_patterns"] = ["__SEARCH_INDEX_PREFIX__events-stats-record-view-*"]
    (folder / "site-view-v1.json").write_text(json.dumps(body))
    monkeypatch.syspath_prepend(tmp_path)
    event = {**clean.config["STATS_EVENTS"]["record-view"], "templates": "site_of_test"}
    events = {**clean.config["STATS_EVENTS"], "record-view": event}
    monkeypatch.setitem(clean.config, "STATS_EVENTS", events)
    finalize_app(clean)
    sys.modules.pop("site_of_test", None)
    found = fields_of(client, names.events_month("view", "2026-02"))
    assert set(found) >= stock_fields(clean) | {"site_field", *ENRICHED_FIELDS}


def test_a_field_of_a_legacy_template_in_the_cluster_survives(clean, client, names):
    drop_ours(client, names)
    client.indices.put_template(
        name=f"{names.prefix}site",
        body={
            "index_patterns": [f"{names.events_alias('view')}-*"],
            "order": 10,
            "mappings": SITE,
            "settings": {"index": {"refresh_interval": "7s"}},
        },
    )
    finalize_app(clean)
    month = names.events_month("view", "2026-02")
    found = fields_of(client, month)
    assert set(found) >= stock_fields(clean) | {"site_field", *ENRICHED_FIELDS}
    settings = client.indices.get_settings(index=month)[month]["settings"]["index"]
    assert settings["refresh_interval"] == "7s"


def test_a_field_of_a_composable_template_of_the_site_survives(clean, client, names):
    drop_ours(client, names)
    client.cluster.put_component_template(
        name=f"{names.prefix}site-part", body={"template": {"mappings": SITE}}
    )
    client.indices.put_index_template(
        name=f"{names.prefix}site",
        body={
            "index_patterns": [f"{names.events_alias('view')}-*"],
            "priority": 200,
            "composed_of": [f"{names.prefix}site-part"],
            "template": {
                **stock_body(clean, "view"),
                "settings": {"number_of_shards": 2},
            },
        },
    )
    finalize_app(clean)
    month = names.events_month("view", "2026-02")
    found = fields_of(client, month)
    assert set(found) >= stock_fields(clean) | {"site_field", *ENRICHED_FIELDS}
    settings = client.indices.get_settings(index=month)[month]["settings"]["index"]
    assert settings["number_of_shards"] == "2"


LONG = "x" * 40_000


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"subcounts": {"a": ["2024-01-01"]}}, {"subcounts": {"a": ["no date"]}}),
        ({"subcounts": {"a": ["12"]}}, {"subcounts": {"a": ["twelve"]}}),
        ({"subcounts": {"a": [LONG]}}, {"subcounts": {"a": ["short"]}}),
        ({"community_ids": [LONG]}, {"community_ids": ["short"]}),
        ({"country": LONG}, {"visitor_id": LONG}),
    ],
    ids=["date", "number", "long value", "long id", "long native"],
)
def test_no_value_prevents_a_batch_from_being_stored(
    first, second, clean, client, names
):
    index = names.events_month("view", "2026-02")
    actions = []
    for number, fields in enumerate((first, second)):
        actions.append({"index": {"_id": str(number)}})
        actions.append({"timestamp": "2026-02-03T04:05:06", **fields})
    answer = client.bulk(index=index, body=actions)
    assert not answer["errors"], answer["items"]


# -- shards and replicas ------------------------------------------------------

DATA = ("community_events_year", "record_facts", "between_runs")
SMALL = ("reindexing", "bookmarks", "dead_letter", "unacknowledged")


def settings_of(client, index):
    """Return the shards and replicas that a new index would get."""
    found = client.indices.simulate_index_template(name=index)["template"]["settings"]
    return {k.removeprefix("number_of_"): v for k, v in found["index"].items()}


def own(names):
    """Return names of indices of this package: large ones and small ones."""
    large = [names.community_events_year(2026), *(getattr(names, n) for n in DATA[1:])]
    large += [names.aggregates_from(family, 1) for family in (*FAMILIES, *INTERNAL)]
    return large, [getattr(names, name) for name in SMALL]


def drop_all(client, names):
    """Delete all templates of this package."""
    client.indices.delete_index_template(name=f"{names.prefix}*stats-*")
    assert ours(client, names.prefix) == {}


def put_site_template(client, names, **settings):
    """Put a template such as sites have for all indices of statistics."""
    client.indices.put_template(
        name=f"{names.prefix}site",
        body={"index_patterns": [f"{names.prefix}stats-*"], "settings": settings},
    )


def test_by_default_an_index_has_one_shard_and_a_replica_if_nodes_allow(
    clean, client, names
):
    drop_all(client, names)
    finalize_app(clean)
    large, small = own(names)
    for index in (*large, *small):
        found = settings_of(client, index)
        assert found["auto_expand_replicas"] == "0-1" and "replicas" not in found
        assert found.get("shards", "1") == "1"


def test_shards_and_replicas_follow_the_sites_own_statistics(clean, client, names):
    put_site_template(client, names, number_of_shards=3, number_of_replicas=2)
    drop_all(client, names)
    finalize_app(clean)
    large, small = own(names)
    for index in large:
        assert settings_of(client, index) == {"shards": "3", "replicas": "2"}
    for index in small:
        assert settings_of(client, index) == {"shards": "1", "replicas": "2"}


def test_the_default_number_of_replicas_of_the_cluster_applies(
    alone, clean, client, names
):
    setting = "cluster.default_number_of_replicas"
    drop_all(client, names)
    client.cluster.put_settings(body={"transient": {setting: 2}})
    try:
        finalize_app(clean)
    finally:
        client.cluster.put_settings(body={"transient": {setting: None}})
    for index in itertools.chain(*own(names)):
        assert settings_of(client, index)["replicas"] == "2"


def test_configured_shards_and_replicas_override_those_of_the_site(
    clean, client, names, monkeypatch
):
    put_site_template(client, names, number_of_shards=3, number_of_replicas=2)
    drop_all(client, names)
    finalize_app(clean)
    configured = {"number_of_shards": 2, "auto_expand_replicas": "0-all"}
    monkeypatch.setitem(clean.config, "STATS_DASHBOARD_INDEX_SETTINGS", configured)
    finalize_app(clean)
    large, small = own(names)
    wanted = {"shards": "2", "auto_expand_replicas": "0-all"}
    assert [settings_of(client, index) for index in large] == [wanted] * len(large)
    wanted["shards"] = "1"
    assert [settings_of(client, index) for index in small] == [wanted] * len(small)


def test_a_run_puts_a_missing_template_with_the_shards_of_the_site(
    clean, client, names, monkeypatch
):
    configured = {"number_of_replicas": 0, "number_of_shards": 2}
    monkeypatch.setitem(clean.config, "STATS_DASHBOARD_INDEX_SETTINGS", configured)
    drop_all(client, names)
    service = clean.extensions["invenio-stats-dashboard"].community_stats_service
    service.aggregate(families=["usage-delta"])
    service.generate_record_community_events()
    for index in (names.aggregates_from("usage-delta", 1), names.record_facts):
        assert settings_of(client, index) == {"shards": "2", "replicas": "0"}
