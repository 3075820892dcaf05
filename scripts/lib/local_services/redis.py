# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run Redis from the system's packages, without storing anything on disk."""

from __future__ import annotations

import shutil

from . import probes
from .native import NativeService


class Redis(NativeService):
    """The cache."""

    purpose = "cache"
    label = "Redis"
    port_variable = "SERVICES_PORT_REDIS"

    @property
    def address(self) -> str:
        """The URL of the first database of the server."""
        return f"redis://localhost:{self.port}/0"

    def prepare(self) -> None:
        """Create the folders."""
        self.settings.user.make_folder(self.folder)
        self.settings.user.make_folder(self.log.parent)

    def command(self) -> list[str]:
        """Return the command line of the server."""
        return [
            shutil.which("redis-server") or "redis-server",
            *("--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", str(self.folder)),
            *("--daemonize", "no", "--databases", "32"),
        ]

    def probe(self) -> str:
        """Return the version of the running server."""
        return probes.cache(self.address)
