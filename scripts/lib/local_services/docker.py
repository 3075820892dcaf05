# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run services in containers, with docker-services-cli."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from .errors import ServicesError
from .settings import Settings

REQUIREMENTS = ("docker-services-cli==0.12.4", "setuptools<81")
OPTIONS = {
    "database": ("--db", "postgresql"),
    "search": ("--search", "opensearch"),
    "cache": ("--cache", "redis"),
    "queue": ("--mq", "rabbitmq"),
}


def available() -> bool:
    """Return whether a container engine is running and has Compose."""
    if shutil.which("docker") is None:
        return False
    return all(_succeeds(["docker", *words]) for words in (["info"], ["compose", "ls"]))


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def up(settings: Settings, purposes: Iterable[str], say: Callable[[str], None]) -> None:
    """Start containers for the services.

    Raises:
        ServicesError: docker-services-cli failed.
    """
    names = list(purposes)
    say(f"starting containers: {', '.join(names)}")
    options = [word for purpose in names for word in OPTIONS[purpose]]
    _run(settings, say, "up", *options)


def down(settings: Settings, say: Callable[[str], None]) -> None:
    """Stop and remove the containers."""
    _run(settings, say, "down")


def _run(settings: Settings, say: Callable[[str], None], *arguments: str) -> None:
    environ = {
        "OPENSEARCH_VERSION": settings.opensearch,
        **os.environ,
        # Otherwise `down` would also stop the containers of another project.
        "COMPOSE_PROJECT_NAME": "invenio-stats-dashboard",
    }
    command = [str(_program(settings, say)), *arguments]
    done = subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        # Indented lines belong to a traceback.
        lines = [line for line in done.stdout.splitlines() if line[:1].strip()]
        said = "\n".join(f"    {line}" for line in lines[-8:])
        raise ServicesError(
            f"docker-services-cli {arguments[0]} failed: set SERVICES_FROM=native to "
            f"use no containers; its output:\n{said}"
        )


def _program(settings: Settings, say: Callable[[str], None]) -> Path:
    folder = settings.home / "docker"
    program = folder / "bin" / "docker-services-cli"
    if not program.exists():
        say("installing docker-services-cli")
        _install([sys.executable, "-m", "venv", str(folder)])
        pip = [str(folder / "bin" / "pip"), "install", "--quiet"]
        _install([*pip, *REQUIREMENTS])
    return program


def _install(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServicesError(
            f"`{' '.join(command)}` failed (Debian needs the package python3-venv for "
            f"it): {(done.stderr or done.stdout).strip()[-300:]}"
        )
