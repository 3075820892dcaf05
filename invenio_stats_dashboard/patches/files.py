# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The files of an environment: what each is now, and the steps that change it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from shapes import Target
from source import UnknownShapeError, digest, is_hooked, patch, sealed_original

BACKUP = ".before-stats-dashboard"
UNFINISHED = ".stats-dashboard-unfinished"


class RefusedError(Exception):
    """A file is not understood; the text says which and why."""


@dataclass(frozen=True)
class Step:
    """One file and what is to be done with it.

    Attributes:
        path: The file.
        now: What it is, for people.
        action: ``keep``, ``patch``, ``restore`` or ``forget`` (a backup without use).
        original: Content to keep as the backup, for ``patch``.
        result: Content to write, for ``patch``.
    """

    path: Path
    now: str
    action: str = "keep"
    original: bytes = b""
    result: bytes = b""


def backup_of(path: Path) -> Path:
    """Return where the original of a file is kept."""
    return path.with_name(path.name + BACKUP)


def read(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        UnknownShapeError: It is not there or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnknownShapeError(f"cannot be read ({error.strerror})") from error


def plan_apply(target: Target, path: Path) -> Step:
    """Return what gives a file its hooks.

    Raises:
        UnknownShapeError: The file is neither hooked nor of a known shape.
    """
    data = read(path)
    sealed = sealed_original(data)
    if sealed is None:
        if is_hooked(target, data):
            return Step(path, "has hooks")
        return Step(path, "lacks hooks", "patch", data, patch(target, data))
    backup = backup_of(path)
    original = read(backup) if backup.exists() else b""
    if digest(original) != sealed:
        return Step(path, "is patched, but its backup is lost")
    result = patch(target, original)
    if result != data:
        return Step(path, "has hooks of an older patch", "patch", original, result)
    return Step(path, "is patched")


def plan_revert(target: Target, path: Path) -> Step:
    """Return what gives a file its original content back.

    Raises:
        UnknownShapeError: The original cannot be given back without a loss.
    """
    data = read(path)
    backup = backup_of(path)
    sealed = sealed_original(data)
    if sealed is None:
        if not backup.exists():
            return Step(path, "is not patched")
        # Left by a run that was killed, or by a version since replaced.
        if data != read(backup) and not is_hooked(target, data):
            patch(target, data)  # raises for what is not a version known
        return Step(path, "is not patched, but has a backup", "forget")
    if not backup.exists() or digest(read(backup)) != sealed:
        raise UnknownShapeError(
            "is patched, but its backup is lost: install the package anew instead"
        )
    return Step(path, "is patched", "restore")


def make_plan(found: list[tuple[Target, Path]], revert: bool) -> list[Step]:
    """Return the steps for all files, in the order they are to be carried out.

    Raises:
        RefusedError: A file is not understood; then none may be changed.
    """
    steps, refused = [], []
    for target, path in reversed(found) if revert else found:
        try:
            steps.append((plan_revert if revert else plan_apply)(target, path))
        except UnknownShapeError as error:
            refused.append(f"{path} {error}.")
    for step in steps:
        if step.action != "keep" and not os.access(step.path.parent, os.W_OK):
            refused.append(f"{step.path.parent} cannot be written to.")
    if refused:
        raise RefusedError("\n".join(refused))
    return steps


def write(path: Path, data: bytes, like: Path) -> None:
    """Write a file whole or not at all, with mode and owner of another.

    A new file takes the old one's place, since a package manager may have linked the
    old one to a copy that it shares between environments.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    with unfinished.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    shutil.copymode(like, unfinished)
    if os.geteuid() == 0:
        status = like.stat()
        os.chown(unfinished, status.st_uid, status.st_gid)
    os.replace(unfinished, path)


def carry_out(step: Step) -> None:
    """Do what a step says; killed at any point, the next run goes on from there."""
    backup = backup_of(step.path)
    if step.action == "patch":
        write(backup, step.original, like=step.path)
        write(step.path, step.result, like=step.path)
    elif step.action == "restore":
        os.replace(backup, step.path)
    elif step.action == "forget":
        backup.unlink()
    for path in (backup, step.path):
        unfinished = path.with_name(path.name + UNFINISHED)
        if unfinished.exists():
            unfinished.unlink()
    # Compiled with checks switched off, the old code would go on being run.
    for compiled in (step.path.parent / "__pycache__").glob(f"{step.path.stem}.*.pyc"):
        compiled.unlink()
