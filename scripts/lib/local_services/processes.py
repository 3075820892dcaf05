# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Start, find and stop processes that outlive the script."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ServicesError
from .users import ServiceUser


@dataclass(frozen=True)
class Process:
    """A running process; the start time distinguishes it from later ones of that id."""

    pid: int
    started: int


def started_at(pid: int) -> int | None:
    """Return the start of a process in clock ticks since boot; None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command, in parentheses, may itself contain spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":  # a container without an init process never reaps these
        return None
    return int(fields[19])


def running(pid_file: Path) -> Process | None:
    """Return the process that the file names, if it is still the same process."""
    try:
        pid, started = map(int, pid_file.read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    if started_at(pid) != started:
        return None
    return Process(pid, started)


def start(
    command: list[str],
    *,
    pid_file: Path,
    log: Path,
    user: ServiceUser,
    environ: Mapping[str, str],
    folder: Path,
) -> Process:
    """Start a process in its own session, without terminal or input."""
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", os.defpath), **environ},
                start_new_session=True,
                umask=0o022,
                **user.popen_arguments(),
            )
        except FileNotFoundError as error:
            raise ServicesError(f"{error.filename} cannot be found.") from None
        except PermissionError as error:
            raise ServicesError(
                f"{command[0]} cannot be run as user {user.name} ({error.strerror}): "
                "run this script as that user or as root."
            ) from None
    started = started_at(child.pid)
    if started is None:
        raise ServicesError(f"{command[0]} ended immediately{last_words(log)}")
    pid_file.write_text(f"{child.pid} {started}\n")
    # The child outlives this process, so suppress the warning of Python.
    child.returncode = 0
    return Process(child.pid, started)


def stop(pid_file: Path, first: signal.Signals, patience: float = 60) -> bool:
    """Stop the process that the file names; return whether it was running.

    It gets the ``first`` signal. If it still runs after ``patience`` seconds, it is
    killed with its children.
    """
    process = running(pid_file)
    if process is not None:
        if first != signal.SIGKILL:
            _signal(process, first)
        if first == signal.SIGKILL or not _ended(process, patience):
            _kill(process)
    pid_file.unlink(missing_ok=True)
    return process is not None


def _kill(process: Process) -> None:
    """Kill a process with its descendants, as a crash of the machine would."""
    family = [process, *_descendants(process.pid)]
    for member in family:
        _signal(member, signal.SIGKILL)
    for member in family:
        _ended(member, 10)


def _descendants(pid: int) -> list[Process]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, queue = [], list(children.get(pid, []))
    while queue:
        child = queue.pop()
        queue += children.get(child, [])
        started = started_at(child)
        if started is not None:
            found.append(Process(child, started))
    return found


def _signal(process: Process, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise ServicesError(
            f"Process {process.pid} belongs to another user: run this script as the "
            "user who started the services, or as root."
        ) from None


def _ended(process: Process, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if started_at(process.pid) != process.started:
            return True
        time.sleep(0.05)
    return False


def last_words(log: Path, lines: int = 12) -> str:
    """Return the end of a log, to append to a sentence without its full stop."""
    try:
        text = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "."
    # Java prints pages of these after the one line that names the cause.
    telling = [line for line in text if not line.startswith(("\tat ", "\t..."))]
    said = "\n".join(f"    {line}" for line in telling[-lines:])
    return f"; the end of {log} reads:\n{said}"
