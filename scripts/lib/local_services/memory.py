# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Choose where OpenSearch and RabbitMQ store their data: on disk, or in memory.

OpenSearch writes its state to disk for every index that is created, changed or deleted,
and waits for it. Tests spend most of their waiting time on that. Data in memory is lost
when the services are stopped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from .errors import ServicesError

FILE_SYSTEM = Path("/dev/shm")
"""A file system in memory that every Linux has; by default, a container's is small."""

LEAST = 4 * 1024**3
"""Bytes that must be free there, and in memory, before anything is stored there."""


def folder_in_memory(home: Path) -> Path:
    """Return the folder in memory of a set of services, if it exists."""
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:8]
    return FILE_SYSTEM / f"stats-services-{digest}"


def choose_data(wanted: str, home: Path) -> tuple[Path, str]:
    """Return the folder for data, and a note if it is a substitute.

    Without a request, a set with data in memory continues to use it, so that a node
    that is started again finds its data.

    Raises:
        ServicesError: the request is invalid, or the folder belongs to another user.
    """
    if wanted not in ("", "disk", "memory"):
        raise ServicesError(f"SERVICES_DATA is {wanted!r}, but must be disk or memory.")
    folder = folder_in_memory(home)
    exists = folder.exists()
    if exists and (folder.is_symlink() or folder.stat().st_uid != os.geteuid()):
        raise ServicesError(
            f"{folder} belongs to another user: set SERVICES_DATA=disk, or SERVICES_HOME "
            "to another folder."
        )
    if wanted == "disk" or not (wanted or exists):
        return home, ""
    if exists:
        return folder, ""
    if (free := _free()) >= LEAST:
        return folder, ""
    return home, (
        f"Only {free / 1024**3:.1f} GB are free in memory, so data is stored in {home}."
    )


def _free() -> int:
    """Return the number of bytes that may be used in memory."""
    if not os.access(FILE_SYSTEM, os.W_OK):
        return 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return min(int(line.split()[1]) * 1024, shutil.disk_usage(FILE_SYSTEM).free)
    return 0
