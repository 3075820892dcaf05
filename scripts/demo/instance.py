# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A fresh InvenioRDM instance, set up in one process.

Every ``invenio`` command takes a quarter of a minute to build the application,
so the commands are called here one after the other in one application.
"""

import secrets
import sys
from importlib.metadata import entry_points
from pathlib import Path

import redis
from flask import current_app
from sqlalchemy import NullPool, create_engine
from sqlalchemy_utils import create_database, database_exists, drop_database

from .settings import OVERRIDES, REDIS_IDENTITIES_DB

APP_DATA = Path(__file__).parent / "app_data"

CONFIG = '''\
"""The demonstration's instance; made anew by each ./run-demo.sh."""

from invenio_rdm_records.contrib.journal import (
    JOURNAL_CUSTOM_FIELDS,
    JOURNAL_CUSTOM_FIELDS_UI,
    JOURNAL_NAMESPACE,
)
from invenio_stats_dashboard.custom_fields import (
    DASHBOARD_CUSTOM_FIELDS,
    DASHBOARD_CUSTOM_FIELDS_UI,
    DASHBOARD_NAMESPACE,
)

SECRET_KEY = "{secret}"
SITE_UI_URL = "http://127.0.0.1:5000"
SITE_API_URL = "http://127.0.0.1:5000/api"
TRUSTED_HOSTS = ["127.0.0.1", "localhost"]
SQLALCHEMY_DATABASE_URI = "{settings.database_uri}"
SEARCH_HOSTS = {hosts}
SEARCH_INDEX_PREFIX = "{settings.prefix}"
BROKER_URL = CELERY_BROKER_URL = "{settings.broker_url}"
CACHE_REDIS_URL = "{redis}"
ACCOUNTS_SESSION_REDIS_URL = CELERY_RESULT_BACKEND = "{redis}"
RATELIMIT_STORAGE_URI = RATELIMIT_STORAGE_URL = "{redis}"
COMMUNITIES_IDENTITIES_CACHE_REDIS_URL = "{identities}"
JSONSCHEMAS_HOST = "repository.example.org"
RECORDS_REFRESOLVER_CLS = "invenio_records.resolver.InvenioRefResolver"
RECORDS_REFRESOLVER_STORE = (
    "invenio_jsonschemas.proxies.current_refresolver_store"
)
DATACITE_ENABLED = False
LOGGING_CONSOLE_LEVEL = "ERROR"
THEME_SITENAME = THEME_FRONTPAGE_TITLE = "Demonstration repository"
I18N_LANGUAGES = [("de", "Deutsch"), ("fr", "Français")]
# plain http; scripts as strict as in a new InvenioRDM
SESSION_COOKIE_SECURE = REMEMBER_COOKIE_SECURE = False
APP_DEFAULT_SECURE_HEADERS = {{
    "content_security_policy": {{
        "default-src": ["'self'", "data:", "'unsafe-inline'", "blob:"],
        "script-src": ["'self'", "blob:", "'wasm-unsafe-eval'"],
    }},
    "force_https": False,
    "session_cookie_secure": False,
    "strict_transport_security": False,
}}
WEBPACKEXT_PROJECT = "invenio_assets.webpack:rspack_project"
# a journal's title is one of the breakdowns
RDM_NAMESPACES = {{**JOURNAL_NAMESPACE}}
RDM_CUSTOM_FIELDS = [*JOURNAL_CUSTOM_FIELDS]
RDM_CUSTOM_FIELDS_UI = [JOURNAL_CUSTOM_FIELDS_UI]
# managers decide whether their community has a page of statistics
COMMUNITIES_NAMESPACES = {{**DASHBOARD_NAMESPACE}}
COMMUNITIES_CUSTOM_FIELDS = [*DASHBOARD_CUSTOM_FIELDS]
COMMUNITIES_CUSTOM_FIELDS_UI = [DASHBOARD_CUSTOM_FIELDS_UI]
'''


def write_config(settings):
    """Write ``invenio.cfg`` and the folders of the instance."""
    for name in ("data", "static", "templates"):
        (settings.instance / name).mkdir(parents=True, exist_ok=True)
    text = CONFIG.format(
        settings=settings,
        secret=secrets.token_hex(16),
        hosts=list(settings.search_hosts),
        redis=settings.redis(),
        identities=settings.redis(REDIS_IDENTITIES_DB),
    )
    (settings.instance / "invenio.cfg").write_text(text, encoding="utf-8")
    (settings.root / "activate").write_text(_activate(settings), encoding="utf-8")


def _activate(settings):
    """Return what points a shell's ``invenio`` at the instance."""
    folder = Path(sys.executable).parent
    return (
        f'export PATH="{folder}:$PATH"\n'
        f"unset {' '.join(OVERRIDES)}\n"
        f'export INVENIO_INSTANCE_PATH="{settings.instance}"\n'
        "export PYTHONWARNINGS=ignore\n"
    )


def make_app(settings, **config):
    """Return an application for the instance, without the dashboard by default.

    Celery tasks go to a broker inside this process and are dropped with it.

    Args:
        settings: the :class:`~.settings.Settings`.
        config: config variables that win over ``invenio.cfg``.
    """
    from invenio_app.factory import create_api

    config = {
        "COMMUNITY_STATS_ENABLED": False,
        "BROKER_URL": "memory://",
        "CELERY_BROKER_URL": "memory://",
        **config,
    }
    return create_api(instance_path=str(settings.instance), **config)


def make_site(settings):
    """Return the application that commands have, with the dashboard switched on.

    Args:
        settings: the :class:`~.settings.Settings`.
    """
    from celery import Celery
    from celery._state import set_default_app
    from invenio_app.factory import create_app

    # else it stays that of the application which this process was forked from
    set_default_app(Celery("site", fixups=[]))
    return create_app(instance_path=str(settings.instance))


def wipe(settings, database=True):
    """Remove what earlier runs left, in the cluster and in the database.

    Only names with the demonstration's prefix are touched.

    Args:
        settings: the :class:`~.settings.Settings`.
        database: remove content (database and its indices) too, not only
            statistics.
    """
    client, prefix = settings.client(), settings.prefix
    if database:
        client.indices.delete_data_stream(name=f"{prefix}*", ignore=404)
    for pattern in ("*",) if database else STATISTICS:
        names = client.indices.get(index=f"{prefix}{pattern}")
        for name in names:
            client.indices.delete(index=name)
    _wipe_templates(client, prefix, everything=database)
    for number in (settings.redis(), settings.redis(REDIS_IDENTITIES_DB)):
        redis.Redis.from_url(number).flushdb()
    if database and database_exists(settings.database_uri):
        drop_database(settings.database_uri)


STATISTICS = ("events-stats-*", "backup-events-stats-*", "stats-*")
"""Patterns, without prefix, of all indices of stock and our statistics."""


def _wipe_templates(client, prefix, everything):
    """Remove composable templates of statistics, or all templates."""
    found = client.indices.get_index_template(name=f"{prefix}*", ignore=404)
    for item in found.get("index_templates", ()):
        patterns = item["index_template"]["index_patterns"]
        if everything or any("stats-" in pattern for pattern in patterns):
            client.indices.delete_index_template(name=item["name"])
    if everything:
        client.indices.delete_template(name=f"{prefix}*", ignore=404)


def set_up():
    """Make database, indices, queues, files location and vocabularies.

    Needs an application context.
    """
    from invenio_rdm_records.fixtures.vocabularies import (
        PrioritizedVocabulariesFixtures,
    )

    create_database(current_app.config["SQLALCHEMY_DATABASE_URI"])
    location = Path(current_app.instance_path) / "data"
    _invenio("db", "create")
    _invenio("index", "init")
    _invenio("files", "location", "create", "--default", "default", str(location))
    _invenio("rdm-records", "custom-fields", "init")
    _invenio("communities", "custom-fields", "init")
    _invenio("queues", "declare")
    PrioritizedVocabulariesFixtures(
        _system(), app_data_folder=APP_DATA, delay=False
    ).load()


def _invenio(name, *args):
    """Run an ``invenio`` command in this process."""
    command = (
        current_app.cli.commands.get(name)
        or next(iter(entry_points(group="flask.commands", name=name))).load()
    )
    result = current_app.test_cli_runner().invoke(command, args)
    if result.exit_code:
        line = " ".join(("invenio", name, *args))
        raise RuntimeError(f"`{line}` failed: {result.output}") from result.exception


def _system():
    from invenio_access.permissions import system_identity

    return system_identity


def own_indices(client, prefix):
    """Return the indices that the dashboard has made, apart from the usage events.

    Args:
        client: an OpenSearch client.
        prefix: ``SEARCH_INDEX_PREFIX``.

    Returns:
        dict[str, int]: name -> number of primary shards.
    """
    found = client.cat.indices(
        index=f"{prefix}*stats-*", params={"format": "json", "h": "index,pri"}
    )
    stock = (
        "events-stats-",
        "backup-events-stats-",
        "stats-record-view",
        "stats-file-",
    )
    return {
        item["index"]: int(item["pri"])
        for item in found
        if not item["index"].removeprefix(prefix).startswith(stock)
        and item["index"] != f"{prefix}stats-bookmarks"
    }


def server_version(settings):
    """Return the versions of OpenSearch and PostgreSQL that answer.

    Raises:
        Exception: one of them does not.
    """
    server = settings.database_uri.rsplit("/", 1)[0] + "/postgres"
    with create_engine(server, poolclass=NullPool).connect() as connection:
        number = connection.exec_driver_sql("show server_version").scalar()
    return settings.client().info()["version"]["number"], number
