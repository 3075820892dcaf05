# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Writing patched files and putting the old ones back, all of them or none.

Each file changes by one rename, so a reader sees the old code or the new. Copies
are made before, never in place: installers share files between environments by
hard links. A run that is killed leaves some files changed and others not; the
same command does the rest.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib import util
from pathlib import Path

BACKUP = ".before-stats-dashboard"
"""What the name of a backup has after the name of its file."""


@dataclass(frozen=True)
class FileChange:
    """A file and what shall be in it.

    Attributes:
        path: of the file.
        content: the bytes.
    """

    path: Path
    content: bytes


def backup_of(path):
    """Return the path of a file's backup, which need not exist."""
    return path.with_name(path.name + BACKUP)


def check_writable(paths):
    """See that the folders of files can be written to.

    Raises:
        OSError: one cannot.
    """
    for folder in {path.parent for path in paths}:
        # asked by doing it: neither root nor a read-only disk is seen in the mode
        with tempfile.TemporaryFile(dir=folder):
            pass


def write(changes):
    """Back up files and give them new content.

    Args:
        changes: of files that are not patched; a backup that one has is out of date.

    Raises:
        OSError: nothing is changed then.
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


def restore(paths):
    """Put the backups of files back in their places."""
    _forget_compiled(paths)
    _put_back(paths)


def left_over(path):
    """Return what lies beside a file that is not patched: old or half-made copies."""
    beside = (backup_of(path), _temporary(path), _temporary(backup_of(path)))
    return [p for p in beside if p.exists()]


def _temporary(path):
    return path.with_name(path.name + ".stats-dashboard-tmp")


def _put(path, content, like):
    """Make or replace a file in one step.

    Args:
        path: of the file.
        content: its bytes.
        like: path of a file whose mode, owner and time it gets.
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


def _put_back(paths):
    for path in paths:
        os.replace(backup_of(path), path)


def _forget_compiled(paths):
    """Delete the compiled code of files that will change.

    Python itself compiles again when time or size of a file differ, but not where
    the compiled file says that it need not be checked.
    """
    for path in paths:
        for optimisation in ("", 1, 2):
            cached = util.cache_from_source(path, optimization=optimisation)
            Path(cached).unlink(missing_ok=True)
