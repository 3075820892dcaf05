# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Build the JavaScript and styles of an InvenioRDM with this package.

The folder stores the npm packages and the compiler's cache, and a build is cached for
all copies of the repository, so only the first build takes long. No service is needed.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from . import cache, node, overlay

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
PACKAGE = REPOSITORY / "invenio_stats_dashboard"
ROOT = Path(os.environ.get("SITE_HOME") or REPOSITORY / ".site")
"""The default folder of the build."""

COLLECTED = ("js", "less", "scss", "templates", "themes", "translations", "build")
"""Folders of the project that are recreated, so that no removed file stays."""


class BuildError(Exception):
    """A step failed; the text ends with the output of its program."""


def build(say, root=ROOT):
    """Build what is not built yet.

    Args:
        say: called with a description of each step.
        root: the folder of the build.

    Returns:
        Path: the folder of static files, to be served under ``/static``.

    Raises:
        BuildError: npm or the compiler failed.
        node.NodeMissingError: Node.js is missing.
    """
    root = Path(root).resolve()
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        # a demonstration and a test run may need it at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(say, root)


def _build(say, root):
    project, static = root / "assets", root / "static"
    stamp, sources = root / "built", _fingerprint()
    if stamp.exists() and stamp.read_text() == sources:
        return static
    stamp.unlink(missing_ok=True)
    if cache.restore(sources, static):
        say("use the cached build of the same sources")
        stamp.write_text(sources)
        return static
    found = node.find()
    say("collect the sources of all packages")
    _collect(root, project, static)
    overlay.apply(project)
    packages = hashlib.sha256((project / "package.json").read_bytes()).hexdigest()
    installed = root / "installed"
    if not installed.exists() or installed.read_text() != packages:
        say("install npm packages")
        options = ("--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error")
        _run((*found.npm, "install", *options), project, found.environ, "npm")
        installed.write_text(packages)
    say("compile")
    shutil.copy(HERE / "rspack.config.js", project / "rspack.config.js")
    rspack = (str(project / "node_modules/.bin/rspack"), "build")
    options = ("--mode", "production", "--config", "rspack.config.js")
    environ = {"NODE_PRESERVE_SYMLINKS": "1", "NODE_ENV": "production"}
    _run((*rspack, *options), project, found.environ | environ, "rspack")
    manifest = json.loads((static / "dist" / "manifest.json").read_text())
    if manifest["status"] != "done":
        raise BuildError(f"The compiler failed: {manifest.get('message', '')}")
    stamp.write_text(sources)
    cache.keep(sources, static)
    return static


def _fingerprint():
    """Return a digest of everything that a build depends on."""
    digest = hashlib.sha256()
    for name in sorted(f"{d.name} {d.version}" for d in distributions()):
        digest.update(name.encode())
    sources = [
        *(PACKAGE / "assets").rglob("*"),
        PACKAGE / "webpack.py",
        REPOSITORY / "package-lock.json",
        *HERE.iterdir(),
    ]
    for path in sorted(path for path in sources if path.is_file()):
        digest.update(str(path.relative_to(REPOSITORY)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _collect(root, project, static):
    """Write the project, and the static files that need no compiler."""
    from invenio_app.factory import create_ui

    for name in COLLECTED:
        shutil.rmtree(project / name, ignore_errors=True)
    static.mkdir(parents=True, exist_ok=True)
    os.environ["INVENIO_INSTANCE_PATH"] = str(root)
    os.environ["INVENIO_STATIC_FOLDER"] = str(static)
    app = create_ui(
        COMMUNITY_STATS_ENABLED=False,
        SECRET_KEY="a build has no secrets",
        WEBPACKEXT_PROJECT="invenio_assets.webpack:rspack_project",
        COLLECT_STORAGE="flask_collect.storage.file",
    )
    with app.app_context():
        app.extensions["invenio-assets"].collect.collect()
        app.extensions["flask-webpackext"].project.create()


def _run(command, folder, environ, name):
    """Run a program, with its output in ``<name>.log`` beside the folder."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (folder.parent / f"{name}.log").write_text(done.stdout)
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-30:])
        raise BuildError(f"`{' '.join(command)}` failed in {folder}:\n{last}")
