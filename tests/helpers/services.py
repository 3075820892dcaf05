# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A test's own services on free ports, which it can stop and kill."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .ports import QUEUE, free_offset
from .tiers import require_system

REPOSITORY = Path(__file__).resolve().parents[2]

_NAMED = ("SQLALCHEMY_DATABASE_URI", "SEARCH_HOSTS", "CACHE_REDIS_URL", "BROKER_URL")


QUICK_START = "-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC"
"""JVM options for short-lived nodes: start fast, optimise less."""


class OwnServices:
    """A set of services that nobody else uses.

    Args:
        name: prefix of the folder's name.
        **variables: variables of ``scripts/services``.
    """

    def __init__(self, name, **variables):
        """Find ports and create the folder, without starting anything."""
        require_system("starts services of its own")
        self.offset = free_offset()
        self._home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/var/tmp"))
        self._home.chmod(0o755)
        jars = shared_jars()
        self._environ = {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in _NAMED and not name.startswith("SERVICES_PORT")
            },
            "SERVICES_HOME": str(self._home),
            "SERVICES_FROM": "native",
            "SERVICES_PORT_OFFSET": str(self.offset),
            **({"SERVICES_OPENSEARCH_DIST": jars} if jars else {}),
            **variables,
        }

    def call(self, *arguments):
        """Call ``scripts/services`` for this set."""
        done = subprocess.run(
            [str(REPOSITORY / "scripts" / "services"), *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def remove(self):
        """Stop running services and delete their files."""
        self.call("down", "--remove")
        shutil.rmtree(self._home, ignore_errors=True)


class RabbitMQ(OwnServices):
    """A message broker that nobody else uses."""

    def __init__(self):
        """Store the configuration; :meth:`start` starts the broker."""
        super().__init__("broker")
        self.url = f"amqp://guest:guest@localhost:{QUEUE + self.offset}//"

    def start(self):
        """Start it and wait until it is ready."""
        self.call("up", "--only", "queue")

    def queue(self, action):
        """Stop, start or kill it."""
        self.call("queue", action)


def shared_jars():
    """Return the folder of jars from which the session's services were laid out.

    Returns:
        str | None: None if they come from elsewhere.
    """
    if named := os.environ.get("SERVICES_OPENSEARCH_DIST"):
        return named
    home = os.environ.get("SERVICES_HOME") or REPOSITORY / ".services"
    found = sorted(Path(home).glob("opensearch-*"))
    return str(found[-1]) if found else None
