# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Install the Debian packages that the native services need."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from .errors import ServicesError
from .opensearch import find_java
from .postgresql import find_postgres
from .rabbitmq import find_rabbitmq

JAVA_PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless")

APT_LOCK = Path(tempfile.gettempdir(), "stats-dashboard-apt.lock")
"""Locked during installation, because apt-get does not wait for its own lists."""


def missing(purposes: Iterable[str], with_maven: bool) -> list[str]:
    """Return the names of the packages to install first."""
    found: dict[str, dict[str, object]] = {
        "database": {"postgresql": find_postgres()},
        "cache": {"redis-server": shutil.which("redis-server")},
        "queue": {"rabbitmq-server": find_rabbitmq()},
        "search": {"java": find_java()},
    }
    if with_maven:
        found["search"]["maven"] = shutil.which("mvn")
    return [
        package
        for purpose in purposes
        for package, program in found[purpose].items()
        if program is None
    ]


def install(packages: list[str], say: Callable[[str], None]) -> None:
    """Install Debian packages, as root or through sudo.

    Raises:
        ServicesError: the packages cannot be installed here.
    """
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise ServicesError(
            f"{_listed(packages)} must be installed manually on this system (Java: a "
            "version from 17 to 23), or start Docker and run `up` again."
        )
    prefix = _rights(packages)
    say(f"installing Debian packages: {', '.join(packages)}")
    _apt(prefix, "update")
    names = [_java_package() if name == "java" else name for name in packages]
    _apt(prefix, "install", "--yes", "--no-install-recommends", *names)
    say("installed; the services that these packages start are not used")


def _rights(packages: list[str]) -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
        if asked.returncode == 0:
            return ["sudo", "-n"]
    names = [JAVA_PACKAGES[0] if name == "java" else name for name in packages]
    raise ServicesError(
        f"{_listed(packages)} must be installed first, which requires root: run "
        f"`sudo apt-get update && sudo apt-get install -y {' '.join(names)}`, "
        "then run `up` again."
    )


def _apt(prefix: list[str], *arguments: str) -> None:
    # scripts/environment may install packages at the same time
    with APT_LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _call_apt(prefix, *arguments)


def _call_apt(prefix: list[str], *arguments: str) -> None:
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    command += ["-o", "DPkg::Lock::Timeout=120", *arguments]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-5:])
        raise ServicesError(
            f"`{' '.join(command)}` failed: run it yourself to see why; its output:\n"
            f"{said}"
        )


def _java_package() -> str:
    for package in JAVA_PACKAGES:
        command = ["apt-cache", "show", package]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return package
    return JAVA_PACKAGES[0]


def _listed(packages: list[str]) -> str:
    *first, last = packages
    return f"{', '.join(first)} and {last}" if first else last
