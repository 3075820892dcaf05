# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compose index templates from those of the site, and put them where missing.

A composable template completely replaces every legacy template and every composable
template of lower priority. The templates of usage events are therefore composed from
the site's own: files of packages, legacy templates in the cluster, or the site's
composable template.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from flask import Flask
from opensearchpy import OpenSearch
from opensearchpy.exceptions import (
    OpenSearchException,
    OpenSearchWarning,
    TransportError,
)

from . import index_templates
from .client import describe, is_transient, json_client
from .failures import explain
from .foreign_indices import foreign_indices, sentence_about
from .health import cluster_settings
from .mappings import enriched
from .names import EVENT_TYPES, META_KEY, SCHEMA, STOCK_EVENTS, Names

REVISION = 3
"""Increase this with every change of a template; lower revisions are replaced."""

_FIRST_PUT = "first_put_at"
_SAMPLE_MONTH = "2000-01"
_DEFAULT_REPLICAS = "cluster.default_number_of_replicas"
_STOCK_AGGREGATE = f"stats-{STOCK_EVENTS['view']}"


_REFUSED = "invenio-stats-dashboard-refused-templates"
"""Key in ``app.extensions``: template name -> why OpenSearch refused it."""

Fixed = Callable[[Names], dict[str, dict[str, Any]]]
"""Returns the templates that do not depend on the cluster, by name."""


@dataclass
class TemplatesPut:
    """The outcome of putting templates.

    Attributes:
        put: names of the templates that were put.
        refused: name -> error of each template that OpenSearch refuses.
    """

    put: list[str] = field(default_factory=list)
    refused: dict[str, OpenSearchException] = field(default_factory=dict)


def reindexing_mapping() -> dict[str, Any]:
    """Return the mapping of the migration's bookmarks and locks."""
    keywords = ("kind", "state", "event_type", "month", "recid")
    return {
        "dynamic": "false",
        "properties": {
            **{name: {"type": "keyword"} for name in keywords},
            "updated_at": {"type": "date"},
        },
        "_meta": {META_KEY: {"schema": SCHEMA}},
    }


def reindexing_template(names: Names) -> dict[str, dict[str, Any]]:
    """Return the template of the migration's bookmarks and locks, by name."""
    return {
        _reindexing_template_name(names): index_templates.template(
            [names.reindexing], reindexing_mapping()
        )
    }


def _reindexing_template_name(names: Names) -> str:
    return f"{names.reindexing}-v{SCHEMA}"


def installed_at(client: OpenSearch, names: Names) -> str | None:
    """Return when a template of this package was first put, ISO 8601, or None."""
    return _first_put(_marks(client, names), names)


def _first_put(found: Mapping[str, dict[str, Any] | None], names: Names) -> str | None:
    """Return the moment that the templates store; each replacement retains it."""
    return (found.get(_reindexing_template_name(names)) or {}).get(_FIRST_PUT)


def make_reindexing_index(client: OpenSearch, names: Names) -> None:
    """Create the index of the migration's bookmarks and locks if it is missing.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.

    Raises:
        OpenSearchException: OpenSearch refuses to create it, or does not answer.
    """
    index_templates.make(client, names.reindexing, reindexing_mapping())


def event_templates(
    app: Flask, client: OpenSearch, names: Names, event_type: str
) -> dict[str, dict[str, Any]]:
    """Compose the templates of the usage events of one type.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.
        event_type: view or download.

    Returns:
        Template name -> body: one with the read alias for future months, and one of
        higher priority without it for target indices, which readers must not see
        before the cut-over.
    """
    alias = names.events_alias(event_type)
    sample = names.events_month(event_type, _SAMPLE_MONTH)
    package = app.config["STATS_EVENTS"][STOCK_EVENTS[event_type]]["templates"]
    base = site_template(app, client, sample, package)
    aliases = {**base.get("aliases", {}), alias: {}}
    return {
        name: _composed(base, pattern, given, priority)
        for (name, (pattern, priority)), given in zip(
            event_patterns(app, names, event_type).items(), (aliases, {}), strict=True
        )
    }


def event_patterns(
    app: Flask, names: Names, event_type: str
) -> dict[str, tuple[str, int]]:
    """Return pattern and priority of the templates of usage events, by name.

    Args:
        app: the application.
        names: the instance's index names.
        event_type: view or download.
    """
    alias = names.events_alias(event_type)
    priority = app.config["STATS_DASHBOARD_TEMPLATE_PRIORITY"]
    return {
        f"{alias}-v{SCHEMA}": (f"{alias}-*", priority),
        f"{alias}-migrated-v{SCHEMA}": (f"{alias}-*.v{SCHEMA}", priority + 1),
    }


def counted_types(app: Flask) -> list[str]:
    """Return the event types that the site collects."""
    events = app.config["STATS_EVENTS"]
    return [kind for kind in EVENT_TYPES if STOCK_EVENTS[kind] in events]


def put_all_missing(app: Flask, client: OpenSearch, fixed: Fixed) -> TemplatesPut:
    """Put the templates that are missing or older than this package's, one by one.

    Args:
        app: the application.
        client: decodes responses.
        fixed: returns the templates that do not depend on the cluster.

    Raises:
        OpenSearchException: the cluster did not answer, or refuses to list templates.
    """
    names = Names.of(app)
    bodies = fixed(names)
    groups: list[tuple[Iterable[str], Callable[[], dict[str, dict[str, Any]]]]] = [
        (bodies, partial(for_site, app, bodies, client))
    ]
    for event_type in counted_types(app):
        compose = partial(event_templates, app, client, names, event_type)
        groups.append((event_patterns(app, names, event_type), compose))
    done, mark, found = TemplatesPut(), _inputs(app), _marks(client, names)
    since = _first_put(found, names) or datetime.now(UTC).isoformat()
    meta = {"schema": SCHEMA, "revision": REVISION, _FIRST_PUT: since, **mark}
    for wanted, composed in groups:
        stale = [name for name in wanted if _is_older(found.get(name), mark)]
        if stale:
            _put(client, stale, composed, meta, done)
    app.extensions[_REFUSED] = {n: explain(e) for n, e in done.refused.items()}
    return done


def _put(
    client: OpenSearch,
    stale: list[str],
    compose: Callable[[], dict[str, dict[str, Any]]],
    meta: dict[str, Any],
    done: TemplatesPut,
) -> None:
    """Compose and put some templates, and add the outcome to ``done``."""
    try:
        bodies = compose()
    except OpenSearchException as error:
        if is_transient(error):
            raise
        done.refused.update(dict.fromkeys(stale, error))
        return

    def put(name: str, body: dict[str, Any]) -> None:
        body = {**body, "_meta": {META_KEY: meta}}
        client.indices.put_index_template(name=name, body=body)

    with warnings.catch_warnings():
        # OpenSearch warns that it overrides the stock template, as intended.
        warnings.simplefilter("ignore", OpenSearchWarning)
        refused = index_templates.put_each({n: bodies[n] for n in stale}, put)
        if refused and len(refused) < len(stale):
            # After a change of the priority, the new priority of one template can be
            # the old one of another, which has its new priority only now.
            refused = index_templates.put_each({n: bodies[n] for n in refused}, put)
    done.refused.update(refused)
    done.put += [name for name in stale if name not in refused]


def refused_templates(app: Flask) -> dict[str, str]:
    """Return template name -> why OpenSearch refused it the last time it was put."""
    return app.extensions.get(_REFUSED, {})


def register_templates(app: Flask, fixed: Fixed) -> None:
    """Put the missing templates when the application starts.

    If one is put or refused, indices of another extension under names of this package
    are logged. So the start of a command on an installed site sends no request for it.
    An error is logged as a warning and never prevents the start, because every
    ``invenio`` command builds the application.

    Args:
        app: the application.
        fixed: returns the templates that do not depend on the cluster.
    """
    timeout = app.config["STATS_DASHBOARD_STARTUP_TIMEOUT"]
    with app.app_context():
        client = json_client(app, timeout, max_retries=0)
        try:
            done = put_all_missing(app, client, fixed)
            if done.put or done.refused:  # installed or updated, or a conflict
                _warn_of_foreign(app, client)
        except Exception as error:  # noqa: BLE001 - the site must start
            app.logger.warning(
                "The index templates of invenio-stats-dashboard could not be checked "
                "(%s). The next start checks them again. Until then, new months are "
                "not enriched.",
                describe(error),
            )
        _warn_of_refused(app)


def _warn_of_foreign(app: Flask, client: OpenSearch) -> None:
    """Log the indices of another extension under names of this package.

    This sends one request. A cluster that refuses it refuses others, which are
    reported; ``status`` and the plan also name the templates.
    """
    with suppress(TransportError):
        found = foreign_indices(client, Names.of(app))
        if found:
            app.logger.warning("%s", sentence_about([index.name for index in found]))


def _warn_of_refused(app: Flask) -> None:
    for name, reason in refused_templates(app).items():
        app.logger.warning(
            "The index template %s of invenio-stats-dashboard is missing. %s 'invenio "
            "community-stats status' names what conflicts with it.",
            name,
            reason,
        )


def extend_index_init(app: Flask, fixed: Fixed) -> None:
    """Make ``invenio index init`` put this package's templates too.

    With ``STATS_REGISTER_INDEX_TEMPLATES=True``, invenio-search sends its files in the
    legacy format to the composable API, which refuses them. They are converted here.

    Args:
        app: the application.
        fixed: returns the templates that do not depend on the cluster.
    """
    state = app.extensions["invenio-search"]

    def put_index_templates(ignore: Any = None) -> Iterator[tuple[str, Any]]:
        for name, path in state.index_templates.items():
            yield state._put_template(
                name,
                path,
                lambda name, body, ignore: state.client.indices.put_index_template(
                    name=name, body=as_composable(body), ignore=ignore
                ),
                ignore,
            )
        for name in put_all_missing(app, state.client, fixed).put:
            yield name, {"acknowledged": True}
        _warn_of_refused(app)

    state.put_index_templates = put_index_templates


def as_composable(body: dict[str, Any]) -> dict[str, Any]:
    """Convert a legacy template to the composable format; return others unchanged."""
    if "template" in body or not {"settings", "mappings", "aliases"} & set(body):
        return body
    inner = ("settings", "mappings", "aliases")
    outer = {k: v for k, v in body.items() if k not in (*inner, "order")}
    return {
        "priority": 50,
        **outer,
        "template": {k: body[k] for k in inner if k in body},
    }


def _composed(
    base: dict[str, Any], pattern: str, aliases: dict[str, Any], priority: int
) -> dict[str, Any]:
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
) -> dict[str, Any]:
    """Return the settings, mappings and aliases that the site gives to an index.

    Args:
        app: the application.
        client: decodes responses.
        sample: name of such an index.
        package: package with the index template, as the site's configuration names
            it; None if the configuration names none.
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


def _packaged(app: Flask, package: str) -> dict[str, Any]:
    """Return the template that results from merging the files of a package."""
    body: dict[str, Any] = {}
    search = app.extensions["invenio-search"]
    for path in sorted(search.register_templates(package).values()):
        with open(path) as file:
            text = file.read()
        prefix = app.config.get("SEARCH_INDEX_PREFIX") or ""
        loaded = json.loads(text.replace("__SEARCH_INDEX_PREFIX__", prefix))
        body = _merged(body, loaded.get("template", loaded))
    return body


def for_site(
    app: Flask,
    templates: Mapping[str, dict[str, Any]],
    client: OpenSearch | None = None,
) -> dict[str, dict[str, Any]]:
    """Return this package's own templates with the site's settings and priority.

    Args:
        app: the application.
        templates: template name -> body.
        client: decodes responses; None to create one.
    """
    settings = shards_and_replicas(app, client or json_client(app))
    priority = app.config["STATS_DASHBOARD_TEMPLATE_PRIORITY"]
    return index_templates.adapted(templates, settings, priority)


def shards_and_replicas(app: Flask, client: OpenSearch) -> dict[str, Any]:
    """Return the settings for shards and replicas of this package's own indices.

    They come from the template of the site's index of daily record views. If it sets
    no replicas, the cluster's default number applies, unless that is 1.
    ``STATS_DASHBOARD_INDEX_SETTINGS`` overrides both. What OpenSearch refuses to show
    is left out.

    Args:
        app: the application.
        client: decodes responses.

    Returns:
        Some of :data:`~.index_templates.SHARDS` and
        :data:`~.index_templates.REPLICAS`, with their values.
    """
    configured = app.config["STATS_DASHBOARD_INDEX_SETTINGS"]
    sample = f"{Names.of(app).prefix}{_STOCK_AGGREGATE}-{_SAMPLE_MONTH}"
    try:
        base = site_template(app, client, sample, _aggregate_package(app))
        found = _flat(base.get("settings", {}))
        replicas = _replicas(configured) or _replicas(found)
        replicas = replicas or _default_replicas(client)
    except OpenSearchException as error:
        if is_transient(error):
            raise
        return dict(configured)  # a look for advice; it must not prevent the templates
    shards = {k: v for k, v in found.items() if k == index_templates.SHARDS}
    return {**shards, **replicas, **configured}


def _replicas(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in settings.items() if k in index_templates.REPLICAS}


def _default_replicas(client: OpenSearch) -> dict[str, Any]:
    found = cluster_settings(client, _DEFAULT_REPLICAS).get(_DEFAULT_REPLICAS, "1")
    return {} if found == "1" else {index_templates.REPLICAS[0]: found}


def _aggregate_package(app: Flask) -> str | None:
    """Return the package with the template of daily record views, or None."""
    for aggregation in (app.config.get("STATS_AGGREGATIONS") or {}).values():
        if aggregation.get("params", {}).get("event") == STOCK_EVENTS["view"]:
            return aggregation.get("templates")
    return None


def _flat(settings: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Return settings under dotted names, without the leading ``index.``."""
    found = {}
    for key, value in settings.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            found.update(_flat(value, f"{name}."))
        else:
            found[name.removeprefix("index.")] = value
    return found


def _site_composable(client: OpenSearch, sample: str) -> str | None:
    """Return the site's composable template of the highest priority for an index."""
    answer = client.indices.get_index_template(params={"flat_settings": "false"})
    candidates = [
        (t["index_template"].get("priority", 0), t["name"])
        for t in answer["index_templates"]
        if META_KEY not in t["index_template"].get("_meta", {})
        and _matches(t["index_template"]["index_patterns"], sample)
    ]
    return max(candidates)[1] if candidates else None


def _matches(patterns: Iterable[str], index: str) -> bool:
    return any(fnmatchcase(index, pattern) for pattern in patterns)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge two template bodies: merge inner objects, replace other values."""
    result = deepcopy(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged(result[key], value)
        else:
            result[key] = deepcopy(value)
    return result


def _inputs(app: Flask) -> dict[str, str]:
    """Return a hash of the configuration and files that the templates depend on."""
    config = app.config
    packages = [
        config["STATS_EVENTS"][STOCK_EVENTS[event_type]]["templates"]
        for event_type in counted_types(app)
    ]
    packages += filter(None, [_aggregate_package(app)])
    inputs = [
        config["STATS_DASHBOARD_TEMPLATE_PRIORITY"],
        config["STATS_DASHBOARD_INDEX_SETTINGS"],
        [_packaged(app, package) for package in packages],
    ]
    text = json.dumps(inputs, sort_keys=True)
    return {"inputs": hashlib.sha256(text.encode()).hexdigest()[:16]}


def _marks(client: OpenSearch, names: Names) -> dict[str, dict[str, Any] | None]:
    """Return this package's ``_meta`` of each template in the cluster, by name."""
    answer = client.transport.perform_request(
        "GET",
        f"/_index_template/{names.prefix}*",
        params={
            "filter_path": "index_templates.name,index_templates.index_template._meta",
            "ignore": 404,  # no template has this prefix
        },
    )
    return {
        t["name"]: t.get("index_template", {}).get("_meta", {}).get(META_KEY)
        for t in answer.get("index_templates", [])
    }


def _is_older(found: dict[str, Any] | None, mark: dict[str, str]) -> bool:
    """Return whether a template must be put.

    A template of a newer version of this package is not replaced.

    Args:
        found: ``_meta`` of the template in the cluster; None if it is missing.
        mark: the current result of :func:`_inputs`.
    """
    if not found:
        return True
    revision = found.get("revision", 0)
    if revision != REVISION:
        return revision < REVISION
    return found.get("inputs") != mark["inputs"]
