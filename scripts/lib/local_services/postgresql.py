# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run PostgreSQL from the system's packages, with its own cluster."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

from . import probes
from .errors import ServicesError
from .native import NativeService
from .processes import last_words, started_at

# These databases need not survive a power cut, so nothing is synced.
CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 1GB
autovacuum_naptime = 30s
timezone = 'UTC'
log_timezone = 'UTC'
"""


def find_postgres() -> Path | None:
    """Return the newest installed server program, which Debian leaves off the path."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda path: _version(path), default=None)
    on_path = shutil.which("postgres")
    return newest or (Path(on_path).resolve() if on_path else None)


def _version(program: Path) -> int:
    name = program.parts[-3]
    return int(name) if name.isdigit() else 0


class PostgreSQL(NativeService):
    """The database."""

    purpose = "database"
    label = "PostgreSQL"
    port_variable = "SERVICES_PORT_POSTGRESQL"
    stop_signal = signal.SIGINT  # "fast": ends sessions instead of waiting for them

    @property
    def address(self) -> str:
        """The SQLAlchemy URI; its user may create databases."""
        return f"postgresql+psycopg2://invenio:invenio@localhost:{self.port}/invenio"

    @property
    def data(self) -> Path:
        """The folder of the cluster; always on disk, as PostgreSQL does not sync it."""
        return self.folder / "data"

    def prepare(self) -> None:
        """Create the cluster and the database if they do not exist."""
        user = self.settings.user
        user.make_folder(self.folder)
        user.make_folder(self.log.parent)
        if not (self.folder / "ready").exists():
            shutil.rmtree(self.data, ignore_errors=True)  # incomplete
            # Anyone who can reach the loopback address could also read a password in
            # this file, so none is required.
            self._run(
                "initdb",
                *("--pgdata", str(self.data), "--username", "invenio"),
                *("--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"),
                "--no-sync",
            )
            self._run(
                "postgres",
                *("--single", "-D", str(self.data), "postgres"),
                text="CREATE DATABASE invenio;\n",
            )
            (self.folder / "ready").touch()
        self._forget_dead_server()
        settings = CONFIGURATION.format(port=self.port)
        user.write(self.data / "postgresql.auto.conf", settings, 0o600)

    def _forget_dead_server(self) -> None:
        """Remove the lock of a killed server that is still a zombie.

        PostgreSQL takes a zombie for a running server. A zombie remains for a while if
        the first process of a container reaps slowly, or never.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        if Path(f"/proc/{pid}").exists() and started_at(pid) is None:
            lock.unlink()

    def command(self) -> list[str]:
        """Return the command line of the server."""
        return [str(_program("postgres")), "-D", str(self.data)]

    def probe(self) -> str:
        """Return the version of the running server."""
        return probes.database(self.address)

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        with self.log.open("w") as output:
            done = subprocess.run(
                [str(_program(program)), *arguments],
                input=text.encode(),
                stdout=output,
                stderr=output,
                cwd=self.folder,
                check=False,
                **self.settings.user.popen_arguments(),
            )
        if done.returncode != 0:
            raise ServicesError(f"{program} failed{last_words(self.log)}")


def _program(name: str) -> Path:
    server = find_postgres()
    if server is None:
        raise ServicesError("PostgreSQL is not installed.")
    return server.with_name(name)
