# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create and remove an InvenioRDM instance on the running services.

It has its own database and index prefix, so many instances can use the same services at
once.
"""

import ast
import hashlib
import os
import secrets
import shutil
import tempfile
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

NEEDED = ("SQLALCHEMY_DATABASE_URI", "SEARCH_HOSTS", "CACHE_REDIS_URL")
"""Environment variables that ``scripts/services env`` sets."""

INDICES = (
    "affiliations",
    "communities",
    "communitymembers",
    "funders",
    "groups",
    "names",
    "awards",
    "rdmrecords",
    "requestevents",
    "requests",
    "subjects",
    "users",
    "vocabularies",
)
"""Aliases of the indices that records, communities and requests need."""


class ServicesMissingError(Exception):
    """The environment does not name the services."""


@dataclass(frozen=True)
class Place:
    """The resources of an instance.

    Attributes:
        prefix: its index prefix.
        database_uri: URI of its database.
        folder: folder of its files.
    """

    prefix: str
    database_uri: str
    folder: str


@contextmanager
def place():
    """Create a database, a prefix and a folder; remove everything in them at the end.

    Raises:
        ServicesMissingError: names the missing variable and the command that sets it.
    """
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        raise ServicesMissingError(
            f"{missing[0]} is not set: these tests need real services. Run "
            "'scripts/services up && eval \"$(scripts/services env)\"' first."
        )
    name = f"t{secrets.token_hex(4)}"
    folder = tempfile.mkdtemp(prefix=name)
    server = sa.engine.make_url(os.environ["SQLALCHEMY_DATABASE_URI"])
    _create_database(server, name)
    try:
        uri = server.set(database=name).render_as_string(hide_password=False)
        yield Place(f"{name}-", uri, folder)
    finally:
        remove_indices(f"{name}-")
        _on_server(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        shutil.rmtree(folder, ignore_errors=True)


def config(where, **changes):
    """Return the configuration of an instance.

    Args:
        where: its :class:`Place`.
        **changes: variables to add or replace.
    """
    cache = os.environ["CACHE_REDIS_URL"]
    return {
        "ACCOUNTS_SESSION_REDIS_URL": cache,
        "APP_DEFAULT_SECURE_HEADERS": {
            "force_https": False,
            "content_security_policy": {"default-src": []},
        },
        # queues of this process alone; a test of queues uses a real broker
        "BROKER_URL": "memory://",
        "CELERY_BROKER_URL": "memory://",
        "CACHE_KEY_PREFIX": where.prefix,
        "CACHE_REDIS_URL": cache,
        "CELERY_CACHE_BACKEND": "memory",
        "CELERY_RESULT_BACKEND": "cache",
        "CELERY_TASK_ALWAYS_EAGER": True,
        "CELERY_TASK_EAGER_PROPAGATES_EXCEPTIONS": True,
        "COMMUNITIES_IDENTITIES_CACHE_REDIS_URL": cache,
        "DATACITE_ENABLED": False,
        "MAIL_SUPPRESS_SEND": True,
        "NOTIFICATIONS_BUILDERS": defaultdict(_Silent),
        "RATELIMIT_ENABLED": False,
        "RDM_PERSISTENT_IDENTIFIERS": {},
        "RDM_PARENT_PERSISTENT_IDENTIFIERS": {},
        "SEARCH_HOSTS": ast.literal_eval(os.environ["SEARCH_HOSTS"]),
        "SEARCH_INDEX_PREFIX": where.prefix,
        "SECRET_KEY": "a key for tests",
        "SECURITY_PASSWORD_SALT": "a salt for tests",
        "SITE_API_URL": "https://127.0.0.1:5000/api",
        "SITE_UI_URL": "https://127.0.0.1:5000",
        "SQLALCHEMY_DATABASE_URI": where.database_uri,
        # the broker of this process has no workers that could respond
        "STATS_DASHBOARD_REINDEXING_WORKER_TIMEOUT": 0.02,
        "TESTING": True,
        "WTF_CSRF_ENABLED": False,
        **_journal_fields(),
        **changes,
    }


class _Silent:
    """A builder of notifications without recipients."""

    def resolve_context(self, notification):
        """Look up nothing: the system user, who acts in tests, is in no index."""

    def build_recipients(self, notification):
        """Return no recipients."""
        return {}

    def filter_recipients(self, notification, recipients):
        """Return no recipients."""
        return recipients


def _journal_fields():
    from invenio_rdm_records.contrib.journal import (
        JOURNAL_CUSTOM_FIELDS,
        JOURNAL_NAMESPACE,
    )

    return {
        "RDM_CUSTOM_FIELDS": JOURNAL_CUSTOM_FIELDS,
        "RDM_NAMESPACES": JOURNAL_NAMESPACE,
    }


def create(where, factory=None, **changes):
    """Build the application of an instance, which takes a quarter of a minute.

    Args:
        where: its :class:`Place`.
        factory: an application factory; by default the one of the REST API.
        **changes: configuration variables.
    """
    from invenio_app.factory import create_api

    os.environ["INVENIO_INSTANCE_PATH"] = where.folder
    settings = config(where, **changes)
    for name in settings:
        # environment variables would override the given configuration
        os.environ.pop(f"INVENIO_{name}", None)
    app = (factory or create_api)(**settings)
    _with_resource(app, factory or create_api)
    assert app.config["SQLALCHEMY_DATABASE_URI"] == where.database_uri
    assert app.config["SEARCH_INDEX_PREFIX"] == where.prefix
    return app


def _with_resource(app, factory):
    """Mount the resource, as its entry point does in an installed package."""
    from invenio_app.factory import create_api

    from invenio_stats_dashboard.resources.blueprint import create_api_blueprint

    blueprint = create_api_blueprint(app)
    if factory is create_api and blueprint.name not in app.blueprints:
        app.register_blueprint(blueprint)


def initialise(app, where):
    """Create the tables, indices, templates and the files location of an instance.

    Args:
        app: its application.
        where: its :class:`Place`.
    """
    from invenio_db import db
    from invenio_files_rest.models import Location
    from invenio_search import current_search

    from invenio_stats_dashboard.community_events.database_indexes import (
        DatabaseIndexes,
    )

    from .versions import create_later_indexes

    with app.app_context():
        _create_tables(db, where)
        create_later_indexes(db.engine)
        DatabaseIndexes(db.engine).create()
        files = Path(where.folder) / "data"
        files.mkdir(exist_ok=True)
        db.session.add(Location(name="default", uri=str(files), default=True))
        db.session.commit()
        list(current_search.put_templates(ignore=[400]))
        list(current_search.put_component_templates())
        list(current_search.put_index_templates())
        list(current_search.create(index_list=_indices(current_search)))
        _map_custom_fields(app)


def _create_database(server, name):
    """Create a database, with all tables if a copy of these versions exists."""
    try:
        _on_server(server, f"CREATE DATABASE {name} TEMPLATE {template()}")
    except (ProgrammingError, OperationalError):  # no copy exists, or it is being made
        _on_server(server, f"CREATE DATABASE {name}")


def _create_tables(db, where):
    """Create the tables that are missing, and store a copy for the next instance."""
    if sa.inspect(db.engine).has_table("accounts_user"):
        return
    db.create_all()
    db.engine.dispose()  # a database in use cannot be copied
    server = sa.engine.make_url(os.environ["SQLALCHEMY_DATABASE_URI"])
    name = sa.engine.make_url(where.database_uri).database
    # another process has made it, or is making it
    with suppress(ProgrammingError, OperationalError, IntegrityError):
        _on_server(server, f"CREATE DATABASE {template()} TEMPLATE {name}")


@cache
def template():
    """Return the name of the database with the tables of the installed versions."""
    versions = sorted(f"{found.name} {found.version}" for found in distributions())
    digest = hashlib.sha256("\n".join(versions).encode()).hexdigest()
    return f"tables_{digest[:16]}"


def _indices(current_search):
    """Return the names of the required indices; of records, only the newest mapping."""
    names = []
    for alias in INDICES:
        names += current_search._get_indices(current_search.aliases[alias])
    records = [n for n in names if n.startswith("rdmrecords-")]
    kinds = {n.rpartition("-v")[0]: n for n in sorted(records)}
    return [n for n in names if n not in records or n in kinds.values()]


def _map_custom_fields(app):
    """Do the same as ``invenio rdm-records custom-fields init``."""
    from invenio_rdm_records.cli import create_records_custom_field

    result = app.test_cli_runner().invoke(create_records_custom_field, [])
    assert result.exit_code == 0, result.output


def remove_indices(prefix):
    """Delete every index, data stream and template with a prefix.

    Args:
        prefix: the prefix of a test instance.
    """
    from opensearchpy import OpenSearch

    assert prefix.startswith("t") and prefix.endswith("-") and len(prefix) > 4
    client = OpenSearch(ast.literal_eval(os.environ["SEARCH_HOSTS"]), timeout=60)
    every = f"{prefix}*"
    client.indices.delete(index=every, expand_wildcards="all", ignore=[404])
    for path in ("_data_stream", "_template", "_index_template", "_component_template"):
        client.transport.perform_request(
            "DELETE", f"/{path}/{every}", params={"ignore": 404}
        )


def _on_server(server, statement):
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(statement))
    finally:
        engine.dispose()
