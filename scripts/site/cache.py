# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Cache builds by a digest of their sources, for all copies of the repository."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

BUILDS = 3
"""Maximum number of builds, of about 45 MB each; the least recently used goes first."""

_MANIFEST = Path("dist/manifest.json")
_ROOT = "@static@"
"""Placeholder in a cached manifest for the folder of the static files."""


def folder() -> Path:
    """Return the folder of the cache: ``$SITE_CACHE``, or one of the user's folders."""
    if named := os.environ.get("SITE_CACHE"):
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "invenio-stats-dashboard" / "site"


def restore(digest: str, static: Path) -> bool:
    """Copy a cached build to the folder it is served from; return whether it exists.

    Args:
        digest: digest of the sources.
        static: the folder; its contents are replaced.
    """
    kept = folder() / digest
    if not kept.is_dir():
        return False
    shutil.rmtree(static, ignore_errors=True)
    shutil.copytree(kept, static)
    manifest = static / _MANIFEST
    manifest.write_text(manifest.read_text().replace(_ROOT, str(static)))
    with suppress(OSError):
        os.utime(kept)
    return True


def keep(digest: str, static: Path) -> None:
    """Cache a build, if the user has a writable folder for caches.

    Args:
        digest: digest of the sources.
        static: the folder of its files.
    """
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".", dir=folder()))
        try:
            shutil.copytree(static, made, dirs_exist_ok=True)
            manifest = made / _MANIFEST
            manifest.write_text(manifest.read_text().replace(str(static), _ROOT))
            made.rename(folder() / digest)  # fails if another process has cached it
        finally:
            shutil.rmtree(made, ignore_errors=True)
        builds = [path for path in folder().iterdir() if path.name[0] != "."]
        builds.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for old in builds[BUILDS:]:
            shutil.rmtree(old, ignore_errors=True)
