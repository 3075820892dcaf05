# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Choose the user that the services run as.

PostgreSQL and OpenSearch refuse to run as root, so root runs the services as a
user without special rights. ``nobody`` exists on every Debian and needs no set-up
that would have to be undone later.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ServicesError


@dataclass(frozen=True)
class ServiceUser:
    """A user to run services as, and whether root must change to it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def popen_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``subprocess`` that run a child as this user."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        """Return whether this user may pass through the folder."""
        return self.succeeds(["test", "-x", str(folder)])

    def succeeds(self, command: list[str]) -> bool:
        """Run a command as this user, without output; return whether it succeeded."""
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                check=False,
                **self.popen_arguments(),
            )
        except PermissionError:
            return False
        return done.returncode == 0

    def make_folder(self, folder: Path, mode: int = 0o755) -> Path:
        """Create a folder that belongs to this user."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.switch:
            os.chown(folder, self.uid, self.gid)
        folder.chmod(mode)
        return folder

    def write(self, file: Path, text: str, mode: int = 0o644) -> Path:
        """Write a small file that belongs to this user."""
        file.write_text(text, encoding="utf-8")
        if self.switch:
            os.chown(file, self.uid, self.gid)
        file.chmod(mode)
        return file


def service_user(name: str) -> ServiceUser:
    """Return the user for services: the caller, or ``name`` if that is root."""
    if os.geteuid() != 0:
        uid = os.geteuid()
        return ServiceUser(_name_of(uid), uid, os.getegid(), switch=False)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ServicesError(
            f"There is no user {name!r} to run the services as: "
            "set SERVICES_USER to a user without special rights."
        ) from None
    if entry.pw_uid == 0:
        raise ServicesError(
            "PostgreSQL and OpenSearch refuse to run as root: "
            "set SERVICES_USER to another user."
        )
    return ServiceUser(name, entry.pw_uid, entry.pw_gid, switch=True)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
