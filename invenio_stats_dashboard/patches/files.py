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

_TEMPORARY = ".stats-dashboard-tmp"


@dataclass(frozen=True)
class Change:
    """A file and what shall be in it.

    Attributes:
        path: of the file.
        content: the bytes.
    """

    path: Path
    content: bytes


def backup_of(path):
    """Return the path of a file's backup, which need not exist."""
    return _beside(path, BACKUP)


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
    backed_up = []
    try:
        for change in changes:
            path = change.path
            _put(backup_of(path), path.read_bytes(), like=path)
            backed_up.append(path)
        for change in changes:
            _forget_compiled(change.path)
            _put(change.path, change.content, like=change.path, new=True)
    except OSError:
        restore(backed_up)
        raise


def restore(paths):
    """Put the backups of files back in their places."""
    for path in paths:
        _forget_compiled(path)
        os.replace(backup_of(path), path)


def discard(paths):
    """Delete the backups of files that are not patched."""
    for path in paths:
        backup_of(path).unlink()


def _beside(path, suffix):
    return path.with_name(path.name + suffix)


def _put(path, content, like, new=False):
    """Make or replace a file in one step.

    Args:
        path: of the file.
        content: its bytes.
        like: path of a file whose mode, owner and time it gets.
        new: the time shall be now.
    """
    temporary = _beside(path, _TEMPORARY)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        shutil.copystat(like, temporary)
        if new:
            os.utime(temporary)
        with suppress(PermissionError):  # only root gives files away
            os.chown(temporary, like.stat().st_uid, like.stat().st_gid)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _forget_compiled(path):
    """Delete the compiled code of a file.

    Python itself compiles again when time or size of a file changes, but not
    where the compiled file says that it need not be checked.
    """
    for optimisation in ("", 1, 2):
        cached = Path(util.cache_from_source(path, optimization=optimisation))
        cached.unlink(missing_ok=True)
