# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create temporary files in one folder, and remove those of killed processes.

Each workbook has a work folder of its own. Its process holds a lock (``flock``) on this
folder as long as it lives, and the kernel releases the lock when the process dies. So a
work folder without a lock is a leftover. This is true for processes in different
containers, too, whose process ids say nothing about each other.
"""

import fcntl
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import StatsDashboardError

FOLDER, AT_ONCE = "STATS_DASHBOARD_FILE_FOLDER", "STATS_DASHBOARD_WORKBOOKS_AT_ONCE"
"""The config variables."""

PREFIX = "invenio-stats-workbook-"
"""Names of work folders begin with it. Nothing else is ever removed."""

logger = logging.getLogger(__name__)


class TooManyFilesError(StatsDashboardError):
    """This process creates as many workbooks as it may."""


class TemporaryFiles:
    """The temporary files of a process.

    Args:
        config: the configuration of the application.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._mutex, self._busy = threading.Lock(), 0

    @contextmanager
    def work_folder(self) -> Iterator[Path]:
        """Return an empty folder for one workbook, and remove it at the end.

        Leftovers of processes that were killed are removed first.

        Raises:
            TooManyFilesError: the process has no free place.
            StatsDashboardError: the folder of temporary files is not safe to use.
        """
        with self._place():
            base = self._base()
            _remove_leftovers(base)
            path, lock = _new_folder(base)
            try:
                yield path
            finally:
                _remove(path)
                os.close(lock)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Occupy one of the places of this process."""
        most = self._config[AT_ONCE]
        with self._mutex:
            if self._busy >= most:
                raise TooManyFilesError(f"This process already creates {most} files.")
            self._busy += 1
        try:
            yield
        finally:
            with self._mutex:
                self._busy -= 1

    def _base(self) -> Path:
        """Return the folder of all work folders; create it if it is missing."""
        if configured := self._config[FOLDER]:
            path = Path(configured)
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return path
        user = os.getuid()
        path = Path(tempfile.gettempdir(), f"invenio-stats-dashboard-{user}")
        path.mkdir(mode=0o700, exist_ok=True)
        # everyone may create this name in the system's folder
        if path.is_symlink() or path.stat().st_uid != user:
            raise StatsDashboardError(
                f"{path} belongs to another user. Remove it, or set {FOLDER}."
            )
        return path


def _new_folder(base: Path) -> tuple[Path, int]:
    """Return a new work folder, and the descriptor that holds its lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        # another process may have removed it before it was locked
        if (lock := _locked(path)) is not None:
            if path.exists():
                return path, lock
            os.close(lock)


def _remove_leftovers(base: Path) -> None:
    """Remove the work folders that no living process has locked."""
    for path in base.glob(f"{PREFIX}*"):
        if (lock := _locked(path)) is not None:
            logger.info("removing the temporary files of a killed process: %s", path)
            _remove(path)
            os.close(lock)


def _locked(path: Path) -> int | None:
    """Lock a folder, and return the descriptor that holds the lock.

    Returns:
        None if the folder does not exist, or another request has locked it.
    """
    try:
        found = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(found)
        return None
    except OSError:
        os.close(found)
        raise
    return found


def _remove(path: Path) -> None:
    """Remove a folder; log if this fails."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        logger.warning("temporary files cannot be removed: %s", path)
