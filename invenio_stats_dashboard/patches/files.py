# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write patched files and restore the old ones: all of them or none.

Each file changes by one rename, so a reader sees either the old or the new code. A
file is never written in place, because installers share files between environments
by hard links. If a run is killed, some files may have changed and others not. The
same command then does the rest.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import util
from pathlib import Path

BACKUP = ".before-stats-dashboard"
"""Suffix of a backup after the name of its file."""


@dataclass(frozen=True)
class FileChange:
    """A file and its new content.

    Attributes:
        path: path of the file.
        content: the new bytes.
    """

    path: Path
    content: bytes


def backup_of(path: Path) -> Path:
    """Return the path of a file's backup, which need not exist."""
    return path.with_name(path.name + BACKUP)


def check_writable(paths: Iterable[Path]) -> None:
    """Make sure that the folders of files are writable.

    Raises:
        OSError: a folder is not writable.
    """
    for folder in {path.parent for path in paths}:
        # The file mode is not enough: it does not show root or a read-only disk.
        with tempfile.TemporaryFile(dir=folder):
            pass


def write(changes: Sequence[FileChange]) -> None:
    """Back up files and write their new content.

    Args:
        changes: the changes of files that are not patched. An existing backup of such a
            file is out of date, and is replaced.

    Raises:
        OSError: a file cannot be written. The files that had changed are restored.
    """
    _forget_compiled([change.path for change in changes])
    backed_up = []
    try:
        for change in changes:
            path = change.path
            _put(backup_of(path), path.read_bytes(), like=path)
            backed_up.append(path)
        for change in changes:
            _put(change.path, change.content, like=change.path)
    except OSError:
        _put_back(backed_up)
        raise


def restore(paths: Sequence[Path]) -> None:
    """Replace files by their backups."""
    _forget_compiled(paths)
    _put_back(paths)


def left_over(path: Path) -> list[Path]:
    """Return old backups and unfinished copies beside a file that is not patched."""
    beside = (backup_of(path), _temporary(path), _temporary(backup_of(path)))
    return [p for p in beside if p.exists()]


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + ".stats-dashboard-tmp")


def _put(path: Path, content: bytes, like: Path) -> None:
    """Create or replace a file in one step.

    Args:
        path: path of the file.
        content: its bytes.
        like: a file whose mode, owner and time it gets.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        shutil.copystat(like, temporary)
        with suppress(PermissionError):  # only root gives files away
            os.chown(temporary, like.stat().st_uid, like.stat().st_gid)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _put_back(paths: Iterable[Path]) -> None:
    for path in paths:
        os.replace(backup_of(path), path)


def _forget_compiled(paths: Iterable[Path]) -> None:
    """Delete the compiled code of files that will change.

    Python compiles a file again if its time or size has changed. It does not check
    this if the compiled file is marked as unchecked.
    """
    for path in paths:
        for optimisation in ("", 1, 2):
            cached = util.cache_from_source(path, optimization=optimisation)
            Path(cached).unlink(missing_ok=True)
