# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Index templates: composed from what the site has, put where they are missing.

A composable template replaces every legacy template and every composable one of
lower priority wholly. So the templates of the event families are composed from
what the site has for them: the package's file, legacy templates in the cluster,
or the site's own composable template.
"""

import hashlib
import json
import warnings
from copy import deepcopy
from fnmatch import fnmatchcase

from flask import Flask
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchWarning

from . import index_templates
from .client import describe, json_client
from .health import cluster_settings
from .mappings import enriched
from .names import EVENT_TYPES, META_KEY, SCHEMA, STOCK_EVENTS, Names

REVISION = 2
"""Raised whenever a template of this package changes; older ones are replaced."""

_SAMPLE_MONTH = "2000-01"
_DEFAULT_REPLICAS = "cluster.default_number_of_replicas"
_STOCK_AGGREGATE = f"stats-{STOCK_EVENTS['view']}"


def reindexing_template(names):
    """Return the template of the index of bookmarks and locks, by name."""
    keywords = ("kind", "state", "event_type", "month", "recid")
    mapping = {
        "dynamic": "false",
        "properties": {
            **{name: {"type": "keyword"} for name in keywords},
            "updated_at": {"type": "date"},
        },
        "_meta": {META_KEY: {"schema": SCHEMA}},
    }
    return {
        f"{names.reindexing}-v{SCHEMA}": index_templates.template(
            [names.reindexing], mapping
        )
    }


def event_templates(app, client, names):
    """Compose the templates of the event families.

    Args:
        app: the Flask application.
        client: an ordinary client.
        names: the instance's names.

    Returns:
        dict: template name -> body. Two a family: one with the read alias for
        the months to come, and a stronger one without it for the targets of a
        migration, which nobody may read while they fill.
    """
    priority = app.config["STATS_DASHBOARD_TEMPLATE_PRIORITY"]
    bodies = {}
    for event_type in EVENT_TYPES:
        if STOCK_EVENTS[event_type] not in app.config["STATS_EVENTS"]:
            continue
        alias = names.events_alias(event_type)
        sample = names.events_month(event_type, _SAMPLE_MONTH)
        package = app.config["STATS_EVENTS"][STOCK_EVENTS[event_type]]["templates"]
        base = site_template(app, client, sample, package)
        aliases = {**base.get("aliases", {}), alias: {}}
        bodies[f"{alias}-v{SCHEMA}"] = _composed(base, f"{alias}-*", aliases, priority)
        bodies[f"{alias}-migrated-v{SCHEMA}"] = _composed(
            base, f"{alias}-*.v{SCHEMA}", {}, priority + 1
        )
    return bodies


def event_template_names(app, names):
    """Return the names of the event families' templates, without composing them."""
    return [
        f"{names.events_alias(event_type)}{kind}-v{SCHEMA}"
        for event_type in EVENT_TYPES
        if STOCK_EVENTS[event_type] in app.config["STATS_EVENTS"]
        for kind in ("", "-migrated")
    ]


def put_missing(app, client, names, fixed, compose):
    """Put the templates that are missing or older than this package's.

    Args:
        app: the Flask application.
        client: an ordinary client.
        names: the instance's names.
        fixed: templates that depend on nothing in the cluster, by name.
        compose: called without arguments for those that do, when one is needed.

    Returns:
        list[str]: names of the templates that were put.

    Raises:
        OpenSearchException: the cluster did not answer or refused a template.
    """
    wanted = [*fixed, *event_template_names(app, names)]
    mark = _inputs(app)
    found = _marks(client, names)
    stale = [name for name in wanted if _is_older(found.get(name), mark)]
    if not stale:
        return []
    bodies = index_templates.with_settings(fixed, shards_and_replicas(app, client))
    if set(stale) - set(fixed):
        bodies.update(compose())
    for name in stale:
        body = deepcopy(bodies[name])
        body["_meta"] = {META_KEY: {"schema": SCHEMA, "revision": REVISION, **mark}}
        with warnings.catch_warnings():
            # that it takes precedence over the stock one is what it is for
            warnings.simplefilter("ignore", OpenSearchWarning)
            client.indices.put_index_template(name=name, body=body)
    return stale


def register_templates(app, fixed):
    """See at application start that the templates are in the cluster.

    Whatever goes wrong is a warning, never a failed start: every ``invenio`` command
    builds the application.

    Args:
        app: the Flask application.
        fixed: function from names to the templates that are always the same.
    """
    timeout = app.config["STATS_DASHBOARD_STARTUP_TIMEOUT"]
    with app.app_context():
        client = json_client(app, timeout, max_retries=0)
        try:
            put_all_missing(app, client, fixed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the site starts
            app.logger.warning(
                "The index templates of invenio-stats-dashboard could not be checked "
                "(%s). They will be at the next start; until then new months are "
                "not enriched.",
                describe(error),
            )


def put_all_missing(app, client, fixed):
    """Put all templates of this package that are missing or older.

    Args:
        app: the Flask application.
        client: an ordinary client.
        fixed: function from names to the templates that are always the same.

    Returns:
        list[str]: names of the templates that were put.
    """
    names = Names.of(app)
    return put_missing(
        app, client, names, fixed(names), lambda: event_templates(app, client, names)
    )


def extend_index_init(app, fixed):
    """Make ``invenio index init`` put our templates too, and legacy-shaped ones.

    With ``STATS_REGISTER_INDEX_TEMPLATES=True`` the stock hands its legacy-shaped
    files to the composable API, which refuses them; they are put in the
    composable shape here.

    Args:
        app: the Flask application.
        fixed: function from names to the templates that are always the same.
    """
    state = app.extensions["invenio-search"]

    def put_index_templates(ignore=None):
        for name, path in state.index_templates.items():
            yield state._put_template(
                name,
                path,
                lambda name, body, ignore: state.client.indices.put_index_template(
                    name=name, body=as_composable(body), ignore=ignore
                ),
                ignore,
            )
        for name in put_all_missing(app, state.client, fixed):
            yield name, {"acknowledged": True}

    state.put_index_templates = put_index_templates


def as_composable(body):
    """Return a legacy-shaped template in the composable shape; others unchanged."""
    if "template" in body or not {"settings", "mappings", "aliases"} & set(body):
        return body
    inner = ("settings", "mappings", "aliases")
    outer = {k: v for k, v in body.items() if k not in (*inner, "order")}
    return {
        "priority": 50,
        **outer,
        "template": {k: body[k] for k in inner if k in body},
    }


def _composed(base, pattern, aliases, priority):
    return {
        "index_patterns": [pattern],
        "priority": priority,
        "template": {
            "settings": deepcopy(base.get("settings", {})),
            "mappings": enriched(base.get("mappings", {})),
            "aliases": aliases,
        },
    }


def site_template(
    app: Flask, client: OpenSearch, sample: str, package: str | None
) -> dict:
    """Return settings, mappings and aliases that the site gives to an index.

    Args:
        app: the Flask application.
        client: an ordinary client.
        sample: name of such an index.
        package: that holds the index template, as the site's configuration names it;
            None if there is none.
    """
    body = _packaged(app, package) if package else {}
    legacy = client.indices.get_template(params={"flat_settings": "false"})
    for template in sorted(legacy.values(), key=lambda t: t.get("order", 0)):
        if _matches(template["index_patterns"], sample):
            body = _merged(body, template)
    strongest = _site_composable(client, sample)
    if strongest:
        answer = client.transport.perform_request(
            "POST", f"/_index_template/_simulate/{strongest}"
        )
        body = answer["template"]
    return {k: body[k] for k in ("settings", "mappings", "aliases") if k in body}


def _packaged(app: Flask, package: str) -> dict:
    """Return the template that the files of a package are together."""
    body = {}
    search = app.extensions["invenio-search"]
    for path in sorted(search.register_templates(package).values()):
        with open(path) as file:
            text = file.read()
        prefix = app.config.get("SEARCH_INDEX_PREFIX") or ""
        loaded = json.loads(text.replace("__SEARCH_INDEX_PREFIX__", prefix))
        body = _merged(body, loaded.get("template", loaded))
    return body


def shards_and_replicas(app: Flask, client: OpenSearch | None = None) -> dict:
    """Return the settings for shards and replicas of this package's own indices.

    They are those of the site's own index of daily record views: what its template
    says, else the cluster's default number of replicas where that is not 1.
    ``STATS_DASHBOARD_INDEX_SETTINGS`` overrides them.

    Args:
        app: the Flask application.
        client: an ordinary client; None to make one.

    Returns:
        dict: some of :data:`~.index_templates.SHARDS` and :data:`~.index_templates.REPLICAS`.
    """
    client = client or json_client(app)
    configured = app.config["STATS_DASHBOARD_INDEX_SETTINGS"]
    sample = f"{Names.of(app).prefix}{_STOCK_AGGREGATE}-{_SAMPLE_MONTH}"
    base = site_template(app, client, sample, _aggregate_package(app))
    found = _flat(base.get("settings", {}))
    replicas = _replicas(configured) or _replicas(found) or _default_replicas(client)
    shards = {k: v for k, v in found.items() if k == index_templates.SHARDS}
    return {**shards, **replicas, **configured}


def _replicas(settings: dict) -> dict:
    return {k: v for k, v in settings.items() if k in index_templates.REPLICAS}


def _default_replicas(client: OpenSearch) -> dict:
    found = cluster_settings(client, _DEFAULT_REPLICAS).get(_DEFAULT_REPLICAS, "1")
    return {} if found == "1" else {index_templates.REPLICAS[0]: found}


def _aggregate_package(app: Flask) -> str | None:
    """Return the package of the template of the site's daily record views, or None."""
    for aggregation in (app.config.get("STATS_AGGREGATIONS") or {}).values():
        if aggregation.get("params", {}).get("event") == STOCK_EVENTS["view"]:
            return aggregation.get("templates")
    return None


def _flat(settings: dict, path: str = "") -> dict:
    """Return settings with dots in their names, without the leading ``index.``."""
    found = {}
    for key, value in settings.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            found.update(_flat(value, f"{name}."))
        else:
            found[name.removeprefix("index.")] = value
    return found


def _site_composable(client, sample):
    """Return the name of the strongest composable template that is not ours."""
    answer = client.indices.get_index_template(params={"flat_settings": "false"})
    candidates = [
        (t["index_template"].get("priority", 0), t["name"])
        for t in answer["index_templates"]
        if META_KEY not in t["index_template"].get("_meta", {})
        and _matches(t["index_template"]["index_patterns"], sample)
    ]
    return max(candidates)[1] if candidates else None


def _matches(patterns, index):
    return any(fnmatchcase(index, pattern) for pattern in patterns)


def _merged(base, over):
    """Merge two template bodies; inner objects are merged, the rest replaced."""
    result = deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged(result[key], value)
        else:
            result[key] = deepcopy(value)
    return result


def _inputs(app):
    """Return a mark of what the templates depend on in the installation."""
    config = app.config
    packages = [
        config["STATS_EVENTS"][STOCK_EVENTS[event_type]]["templates"]
        for event_type in EVENT_TYPES
        if STOCK_EVENTS[event_type] in config["STATS_EVENTS"]
    ]
    packages += filter(None, [_aggregate_package(app)])
    inputs = [
        config["STATS_DASHBOARD_TEMPLATE_PRIORITY"],
        config["STATS_DASHBOARD_INDEX_SETTINGS"],
        [_packaged(app, package) for package in packages],
    ]
    text = json.dumps(inputs, sort_keys=True)
    return {"inputs": hashlib.sha256(text.encode()).hexdigest()[:16]}


def _marks(client, names):
    """Return the marks of this package's templates in the cluster, by name."""
    answer = client.transport.perform_request(
        "GET",
        f"/_index_template/{names.prefix}*",
        params={
            "filter_path": "index_templates.name,index_templates.index_template._meta",
            "ignore": 404,  # no template of this prefix at all
        },
    )
    return {
        t["name"]: t.get("index_template", {}).get("_meta", {}).get(META_KEY)
        for t in answer.get("index_templates", [])
    }


def _is_older(found, mark):
    """Tell whether a template must be put; one of a newer package is left alone."""
    if not found:
        return True
    revision = found.get("revision", 0)
    if revision != REVISION:
        return revision < REVISION
    return found.get("inputs") != mark["inputs"]
