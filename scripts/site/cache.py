# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Keeps what was built, by a digest of its sources, for all copies of the repository."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

BUILDS = 3
"""How many are kept, of about 45 MB each; the one that was not used for longest goes."""

_MANIFEST = Path("dist/manifest.json")
_ROOT = "@static@"
"""In a manifest that is kept, the folder of the static files."""


def folder() -> Path:
    """Return the folder of the cache: ``$SITE_CACHE``, else one of the user's."""
    if named := os.environ.get("SITE_CACHE"):
        return Path(named)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "invenio-stats-dashboard" / "site"


def restore(digest: str, static: Path) -> bool:
    """Put the files of a build where they are served from, and tell whether it was kept.

    Args:
        digest: of the sources.
        static: the folder; what is in it is replaced.
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
    """Keep a build, where the user has a folder for caches that can be written.

    Args:
        digest: of the sources.
        static: the folder of its files.
    """
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".", dir=folder()))
        try:
            shutil.copytree(static, made, dirs_exist_ok=True)
            manifest = made / _MANIFEST
            manifest.write_text(manifest.read_text().replace(str(static), _ROOT))
            made.rename(folder() / digest)  # fails where another has kept it
        finally:
            shutil.rmtree(made, ignore_errors=True)
        builds = [path for path in folder().iterdir() if path.name[0] != "."]
        builds.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for old in builds[BUILDS:]:
            shutil.rmtree(old, ignore_errors=True)
