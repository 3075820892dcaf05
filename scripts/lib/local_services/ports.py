# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Check whether a port is free and, if not, which program uses it."""

from __future__ import annotations

import socket
from pathlib import Path

from .errors import ServicesError

LISTENING = "0A"


def check_free(port: int, purpose: str, variable: str) -> None:
    """Check that no program listens on a port.

    Raises:
        ServicesError: the port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return
        except OSError:
            pass
    raise ServicesError(
        f"Port {port}, meant for {purpose}, is in use by {holder(port)}: "
        f"stop that program, or set {variable} to a free port."
    )


def holder(port: int) -> str:
    """Return the name of the process that listens on a port, if it can be found."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(link.readlink()) for link in (process / "fd").iterdir()]
            if sockets.intersection(links):
                name = (process / "comm").read_text().strip()
                return f"{name} (process {process.name})"
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return "another program"


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes
