# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Environments that hold two released packages and nothing else, and their looks."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from invenio_stats_dashboard.patches.shapes import TARGETS

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv", path=f"{sys.prefix}/bin:{os.environ['PATH']}")
COPIES = ("--link-mode", "copy")
"""For uv: what a test edits must not be what all environments have by hard links."""

CLEAN = {
    name: value
    for name, value in os.environ.items()
    if name not in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH")
}


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        folder: where it is.
    """

    folder: Path

    @classmethod
    def make(cls, folder, **packages):
        """Make one with packages, each without what it needs.

        Args:
            folder: where; it must not exist.
            **packages: name with underscores -> version.
        """
        _call(UV, "venv", "--quiet", "--python", sys.executable, folder)
        environment = cls(folder)
        environment.install(**packages)
        return environment

    def install(self, **packages):
        """Install or replace packages."""
        wanted = [f"{name.replace('_', '-')}=={packages[name]}" for name in packages]
        python = self.folder / "bin/python"
        if wanted:
            _call(
                UV,
                "pip",
                "install",
                "-q",
                "--no-deps",
                *COPIES,
                "--python",
                python,
                *wanted,
            )

    @property
    def site_packages(self):
        """Return where its packages are."""
        [folder] = self.folder.glob("lib/python3*/site-packages")
        return folder

    @property
    def targets(self):
        """Return the paths of the files that have hooks or get them, in their order."""
        return [self.site_packages / target.path for target in TARGETS]

    def look(self):
        """Return hash, mode and time of every file, less compiled ones."""
        return {
            str(path): (
                hashlib.sha256(path.read_bytes()).hexdigest(),
                path.stat().st_mode,
                path.stat().st_mtime_ns,
            )
            for path in sorted(self.site_packages.rglob("*"))
            if path.is_file() and path.suffix != ".pyc"
        }

    def python(self, code, *arguments, **options):
        """Run code by its Python where the program of the patches is found."""
        return subprocess.run(
            [self.folder / "bin/python", "-c", code, *arguments],
            cwd=ROOT / "invenio_stats_dashboard",
            env=CLEAN,
            capture_output=True,
            text=True,
            **options,
        )


def apply_patches(*arguments, env=None, **options):
    """Run ``apply_patches.sh``.

    Args:
        *arguments: words of the command line.
        env: variables to set.
        **options: of :func:`subprocess.run`.
    """
    return subprocess.run(
        [ROOT / "apply_patches.sh", *arguments],
        env={**CLEAN, **(env or {})},
        capture_output=True,
        text=True,
        **options,
    )


def _call(*arguments):
    done = subprocess.run(arguments, env=CLEAN, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
