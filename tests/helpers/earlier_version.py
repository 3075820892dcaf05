# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run the code of an earlier version beside that of this version."""

import io
import os
import runpy
import shutil
import subprocess
import tarfile
from configparser import ConfigParser
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement

from .zygote import ROOT, Zygote

UPGRADED_FROM = "077ff37bb1e7ad839c62bbc939555493473e04cf"
"""The commit of the state that a site is upgraded from.

To move it forward after a release, set it to the commit of its tag (``git rev-parse
v1.2.0^{commit}``), and run ``tests/test_upgrade.py``. That test, and the sections
"Upgrade" and "Go back a version" of ``docs/operate.md``, describe differences between
the two versions: the earlier one cannot count the odd event, shows the metadata of
hidden records, and counts by other rules. Where both versions do the same, adapt them.
The functions of :mod:`.site_operations` need no change as long as commands, tasks and
entry points retain their names.
"""

_NAME = "invenio_stats_dashboard"


class EarlierVersionMissingError(Exception):
    """The code of the earlier version is not available here; says why."""


def unpack(commit, folder):
    """Store the package of a commit, with its metadata, as if it were installed there.

    Python finds the entry points of this metadata before those of the environment, if
    the folder is the first that it imports from.

    Args:
        commit: its full hash.
        folder: an empty folder.

    Raises:
        EarlierVersionMissingError: this is no clone of the repository, the clone does
            not contain the commit or all of its files, the commit has no ``setup.cfg``
            with the metadata, or its code needs other packages.
    """
    if not shutil.which("git") or _git("rev-parse", "--git-dir").returncode:
        raise EarlierVersionMissingError(
            "The code of the earlier version comes from Git, and this is no clone."
        )
    if _git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise EarlierVersionMissingError(
            f"The clone does not contain the commit {commit[:7]}, from which the site is "
            "upgraded. Run 'git fetch --unshallow'."
        )
    packed = _git("archive", commit, _NAME, "setup.cfg")
    if packed.returncode:
        raise EarlierVersionMissingError(
            f"The clone does not contain all files of the commit {commit[:7]}, from "
            "which the site is upgraded, or the commit has no setup.cfg: "
            f"{packed.stderr.decode().strip()}"
        )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    config = ConfigParser(delimiters=["="])
    config.optionxform = str  # names are case-sensitive
    config.read(folder / "setup.cfg", encoding="utf-8")
    needed = config.get("options", "install_requires", fallback=None)
    if not needed or "options.entry_points" not in config:
        raise EarlierVersionMissingError(
            f"The setup.cfg of the commit {commit[:7]} does not contain the "
            "requirements and entry points of the package. Let unpack() read the file "
            "that contains them."
        )
    _check_requirements(needed)
    _write_metadata(folder, config["options.entry_points"])


def started(where, folder):
    """Start a process with the application of the unpacked version.

    Args:
        where: the :class:`~.instance.Place` of the instance.
        folder: the folder of :func:`unpack`.

    Returns:
        Zygote: runs functions with this application.
    """
    return Zygote.started(where, folder)


def _git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)


def _check_requirements(lines):
    """Check that the packages are installed that the earlier version needs."""
    for line in lines.strip().splitlines():
        if line.startswith("#"):
            continue
        needed, installed = Requirement(line), None
        with suppress(PackageNotFoundError):
            installed = version(needed.name)
        if not installed or not needed.specifier.contains(installed, prereleases=True):
            raise EarlierVersionMissingError(
                f"The earlier version needs {needed}; {installed or 'no version'} is "
                "installed."
            )


def _write_metadata(folder, entry_points):
    """Write what the installation of the package would write."""
    found = runpy.run_path(os.fspath(folder / _NAME / "version.py"))["__version__"]
    info = folder / f"{_NAME}-{found}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: invenio-stats-dashboard\nVersion: {found}\n"
    )
    (info / "entry_points.txt").write_text(
        "".join(f"[{group}]{lines}\n\n" for group, lines in entry_points.items())
    )
