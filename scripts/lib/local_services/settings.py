# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the folders and ports of the services from the environment."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ServicesError
from .memory import choose_data
from .users import ServiceUser, service_user

REPOSITORY = Path(__file__).resolve().parents[3]

OPENSEARCH_VERSION = "2.19.6"
"""The version that is started unless another one is requested."""

OPENSEARCH_LOCKS = Path(__file__).with_name("opensearch-jars")
"""Folder with a list of the jars of each version that can be started."""

PORTS = {
    "SERVICES_PORT_POSTGRESQL": 25432,
    "SERVICES_PORT_OPENSEARCH": 29200,
    "SERVICES_PORT_OPENSEARCH_TRANSPORT": 29300,
    "SERVICES_PORT_REDIS": 26379,
    "SERVICES_PORT_RABBITMQ": 25672,
    "SERVICES_PORT_RABBITMQ_DISTRIBUTION": 25673,
    "SERVICES_PORT_RABBITMQ_EPMD": 25674,
}

MAX_NODES = 5


@dataclass(frozen=True)
class Settings:
    """The settings of one set of services."""

    home: Path
    """Folder for jars, data, logs and process files."""
    data: Path
    """Folder for the data of OpenSearch and RabbitMQ: the home, or in memory."""
    note: str
    """Why a folder is not the requested one; empty if all are."""
    opensearch: str
    """Version of OpenSearch."""
    distribution: Path
    """Folder of the OpenSearch jars, which several sets may share."""
    user: ServiceUser
    ports: Mapping[str, int]
    heap: str
    """Java heap of each OpenSearch node, as in ``-Xmx``."""
    java_options: tuple[str, ...]
    """Further command-line options of each OpenSearch node."""
    source: str
    """``auto``, ``native`` or ``docker``."""
    timeout: float
    """Seconds that a service may take to answer after its start."""

    def port(self, variable: str, number: int = 0) -> int:
        """Return the port named by a variable, plus the number of the node."""
        return self.ports[variable] + number


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from environment variables.

    Raises:
        ServicesError: a value is invalid.
    """
    user = service_user(environ.get("SERVICES_USER", "nobody"))
    home, note = _choose_home(environ.get("SERVICES_HOME", ""), user)
    data, data_note = choose_data(environ.get("SERVICES_DATA", ""), home)
    distribution = environ.get("SERVICES_OPENSEARCH_DIST")
    opensearch = _choose_opensearch(environ.get("SERVICES_OPENSEARCH_VERSION", ""))
    source = environ.get("SERVICES_FROM", "auto") or "auto"
    if source not in ("auto", "native", "docker"):
        raise ServicesError(
            f"SERVICES_FROM is {source!r}, but must be auto, native or docker."
        )
    return Settings(
        home=home,
        data=data,
        note=" ".join(filter(None, (note, data_note))),
        opensearch=opensearch,
        distribution=(
            Path(distribution).absolute()
            if distribution
            else home / f"opensearch-{opensearch}"
        ),
        user=user,
        ports=_read_ports(environ),
        heap=environ.get("SERVICES_OPENSEARCH_HEAP", "1g"),
        java_options=tuple(environ.get("SERVICES_OPENSEARCH_JAVA_OPTS", "").split()),
        source=source,
        timeout=_read_number(environ, "SERVICES_TIMEOUT", 120),
    )


def _choose_opensearch(named: str) -> str:
    known = sorted(path.stem for path in OPENSEARCH_LOCKS.glob("*.txt"))
    if named and named not in known:
        raise ServicesError(
            f"SERVICES_OPENSEARCH_VERSION is {named!r}, but must be one of "
            f"{', '.join(known)}."
        )
    return named or OPENSEARCH_VERSION


def _read_ports(environ: Mapping[str, str]) -> dict[str, int]:
    offset = _read_number(environ, "SERVICES_PORT_OFFSET", 0)
    return {
        name: _read_number(environ, name, default + offset)
        for name, default in PORTS.items()
    }


def _read_number(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name, "")
    if not value:
        return default
    if not value.isdigit() or not 0 <= int(value) < 65536:
        raise ServicesError(f"{name} is {value!r}, but must be a number below 65536.")
    return int(value)


def _choose_home(named: str, user: ServiceUser) -> tuple[Path, str]:
    """Return the folder for the services, and a note if it is a substitute."""
    home = Path(named).absolute() if named else REPOSITORY / ".services"
    closed = _closed_parent(home, user)
    if closed is None:
        return home, ""
    if named:
        raise ServicesError(
            f"SERVICES_HOME is {home}, but the services run as user {user.name}, who "
            f"may not enter {closed}: set SERVICES_HOME to a folder open to that user."
        )
    digest = hashlib.sha256(str(REPOSITORY).encode()).hexdigest()[:8]
    substitute = Path(f"/var/tmp/invenio-stats-dashboard-services-{digest}")
    # /var/tmp is open to everyone, so never use a folder that belongs to another user.
    if substitute.is_symlink() or (
        substitute.exists() and substitute.stat().st_uid != os.geteuid()
    ):
        raise ServicesError(
            f"{substitute} belongs to another user: set SERVICES_HOME to a folder of "
            f"yours that user {user.name} may enter."
        )
    return substitute, (
        f"User {user.name} may not enter {closed}, so the files of the services are in "
        f"{substitute} (set SERVICES_HOME to choose another folder)."
    )


def _closed_parent(home: Path, user: ServiceUser) -> Path | None:
    """Return the topmost existing parent that the service user may not enter."""
    if not user.switch:
        return None
    parents = [home, *home.parents] if home.exists() else list(home.parents)
    for parent in reversed(parents):
        if parent.exists() and not user.can_enter(parent):
            return parent
    return None
