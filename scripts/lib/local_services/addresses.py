# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Where each service comes from, and the variables that pass it to an application."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from . import probes
from .native import NativeService
from .opensearch import OpenSearch
from .postgresql import PostgreSQL
from .rabbitmq import RabbitMQ
from .redis import Redis
from .settings import MAX_NODES, Settings

VARIABLES = {
    "database": "SQLALCHEMY_DATABASE_URI",
    "search": "SEARCH_HOSTS",
    "cache": "CACHE_REDIS_URL",
    "queue": "BROKER_URL",
}
"""The variable that names each service, as in pytest-invenio."""

PROBES = {
    "database": probes.database,
    "search": probes.search,
    "cache": probes.cache,
    "queue": probes.queue,
}

SINGLE: dict[str, Callable[[Settings], NativeService]] = {
    "database": PostgreSQL,
    "cache": Redis,
    "queue": RabbitMQ,
}
"""The services that are one process; search may be several processes."""

DOCKER = {
    "database": "postgresql+psycopg2://invenio:invenio@localhost:5432/invenio",
    "search": '["localhost:9200"]',
    "cache": "redis://localhost:6379/0",
    "queue": "amqp://guest:guest@localhost:5672//",
}
"""The addresses of services that docker-services-cli starts."""

# Invenio separates these, because it flushes some of them as a whole.
REDIS_DATABASES = {
    "INVENIO_CACHE_REDIS_URL": 0,
    "INVENIO_ACCOUNTS_SESSION_REDIS_URL": 1,
    "INVENIO_CELERY_RESULT_BACKEND": 2,
    "INVENIO_RATELIMIT_STORAGE_URI": 3,
    "INVENIO_COMMUNITIES_IDENTITIES_CACHE_REDIS_URL": 4,
}


@dataclass(frozen=True)
class Source:
    """The source of one service."""

    purpose: str
    kind: str
    """``environment``, ``docker`` or ``native``."""
    address: str
    """The value of its variable in VARIABLES."""


def search_hosts(settings: Settings, nodes: int) -> str:
    """Return SEARCH_HOSTS for the nodes of this script."""
    return json.dumps([OpenSearch(settings, n).address for n in range(nodes)])


def native_source(settings: Settings, purpose: str, nodes: int) -> Source:
    """Return the source of a service that this script starts."""
    if purpose == "search":
        return Source(purpose, "native", search_hosts(settings, nodes))
    return Source(purpose, "native", SINGLE[purpose](settings).address)


def docker_source(purpose: str) -> Source:
    """Return the source of a service that docker-services-cli starts."""
    return Source(purpose, "docker", DOCKER[purpose])


def named_source(
    settings: Settings,
    environ: Mapping[str, str],
    purpose: str,
    recorded: Mapping[str, Source],
) -> Source | None:
    """Return the service that the environment names, unless this script started it.

    After ``eval "$(scripts/services env)"`` the environment names services of this
    script, which it must still start and stop.
    """
    value = environ.get(VARIABLES[purpose], "")
    if not value or settings.source != "auto":
        return None
    own = {native_source(settings, purpose, n + 1).address for n in range(MAX_NODES)}
    if purpose in recorded and recorded[purpose].kind == "docker":
        own.add(recorded[purpose].address)
    return None if value in own else Source(purpose, "environment", value)


def exports(sources: Iterable[Source]) -> str:
    """Return shell lines that export the addresses of the services."""
    variables: dict[str, str] = {}
    for source in sources:
        name = VARIABLES[source.purpose]
        variables[name] = source.address
        variables[f"INVENIO_{name}"] = source.address
        if source.purpose == "queue":
            variables["INVENIO_CELERY_BROKER_URL"] = source.address
        if source.purpose == "cache":
            for variable, number in REDIS_DATABASES.items():
                variables[variable] = _redis_database(source.address, number)
    return "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()
    )


def _redis_database(url: str, number: int) -> str:
    """Return the URL of the database ``number`` places behind the given one."""
    parts = urlsplit(url)
    first = parts.path.strip("/")
    number += int(first) if first.isdigit() else 0
    return urlunsplit(parts._replace(path=f"/{number}"))


def read_record(home: Path) -> dict[str, Source]:
    """Return the sources of the services when they were last started."""
    try:
        entries = json.loads((home / "state.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {purpose: Source(**entry) for purpose, entry in entries.items()}


def forget_record(home: Path) -> None:
    """Delete the record of the sources, after the services were stopped."""
    (home / "state.json").unlink(missing_ok=True)


def write_record(home: Path, sources: Mapping[str, Source]) -> None:
    """Store the sources of the services."""
    entries = {purpose: asdict(source) for purpose, source in sources.items()}
    text = json.dumps(entries, indent=2) + "\n"
    (home / "state.json").write_text(text, encoding="utf-8")
