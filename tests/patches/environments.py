# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create environments with the code of two released packages.

Each pair of versions is installed once. Tests get copies without translations,
templates and assets, which are two thirds of the files and which no patch concerns.
"""

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from invenio_stats_dashboard.patches.targets import TARGETS

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
        """Make one with the code of packages, each without what it needs.

        Args:
            folder: where; it must not exist.
            **packages: name with underscores -> version.
        """
        # with the times of files, by which Python recognises compiled code
        shutil.copytree(_installed(**packages), folder, symlinks=True)
        return cls(folder)

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
        return {str(path): _look_of(path) for path in _files(self.site_packages)}

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
        **options: the options of :func:`subprocess.run`.
    """
    return subprocess.run(
        [ROOT / "apply_patches.sh", *arguments],
        env={**CLEAN, **(env or {})},
        capture_output=True,
        text=True,
        **options,
    )


@cache
def _installed(**packages):
    """Install packages, and return the folder of their environment."""
    folder = Path(tempfile.mkdtemp(prefix="patches-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _call(UV, "venv", "--quiet", "--python", sys.executable, folder / "env")
    environment = Environment(folder / "env")
    environment.install(**packages)
    for name in packages:
        for path in _files(environment.site_packages / name):
            if not path.name.endswith(".py"):
                path.unlink()
    return environment.folder


def _files(folder):
    """Return the paths of all files, less compiled ones."""
    return sorted(
        Path(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if not name.endswith(".pyc")
    )


def _look_of(path):
    status = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return digest, status.st_mode, status.st_mtime_ns


def _call(*arguments):
    done = subprocess.run(arguments, env=CLEAN, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
