# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Serves the demonstration's instance to browsers, in the background.

``python -m scripts.demo.serve start`` builds the JavaScript and styles when they are
not yet built, and leaves a web server running; ``stop`` ends it.
"""

import argparse
import getpass
import os
import signal
import socket
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console

from scripts.lib.local_services import processes
from scripts.lib.local_services.users import ServiceUser
from scripts.site.build import BuildError, build
from scripts.site.node import NodeMissingError

from .commands import INVENIO
from .content import PASSWORD
from .settings import Settings
from .steps import Steps
from .story import COMMUNITIES

PORT = 5000
"""The first port that is tried."""

PATIENCE = 180
"""Seconds that the server gets to answer."""

SHOWN = COMMUNITIES[0]
"""The community whose page is linked to."""


def main(argv=None):
    """Start or stop the server; return 0 if that went well."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo.serve")
    parser.add_argument("action", choices=("start", "stop"))
    parser.add_argument("--root", default=".demo")
    options = parser.parse_args(argv)
    console = Console(highlight=False)
    settings = Settings.from_environment(options.root)
    if options.action == "stop":
        stopped = stop(settings)
        console.print("The site is stopped." if stopped else "No site is running.")
        return 0
    if not settings.content.exists():
        console.print("There is nothing to serve yet: call ./run-demo.sh --serve")
        return 2
    try:
        url = start(settings, console)
    except (BuildError, NodeMissingError, TimeoutError) as error:
        console.print(str(error), markup=False)
        return 1
    tell(console, settings, url)
    return 0


def start(settings, console):
    """Build what is not built, and leave a web server running.

    A server that an earlier call has left is replaced.

    Args:
        settings: the :class:`~.settings.Settings`.
        console: a Rich console.

    Returns:
        str: where it answers.

    Raises:
        BuildError, NodeMissingError: the pages cannot be built.
        TimeoutError: it does not answer; the sentence names its log.
    """
    stop(settings)
    steps = Steps(console)
    with steps.step("JavaScript and styles of the pages"):
        static = build(lambda what: console.print(f"  [dim]{what}[/]"))
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    log = settings.root / "server.log"
    log.unlink(missing_ok=True)
    command = [str(INVENIO), "run", "--host", "127.0.0.1", "--port", str(port)]
    processes.start(
        [*command, "--no-reload", "--with-threads"],
        pid_file=_pid_file(settings),
        log=log,
        user=ServiceUser(getpass.getuser(), os.getuid(), os.getgid(), switch=False),
        environ={
            **settings.environment(),
            "INVENIO_STATIC_FOLDER": str(static),
            "INVENIO_SITE_UI_URL": url,
            "INVENIO_SITE_API_URL": f"{url}/api",
        },
        folder=settings.root,
    )
    with steps.step("start the site"):
        deadline = time.monotonic() + PATIENCE
        while not _answers(url):
            ended = not processes.running(_pid_file(settings))
            if ended or time.monotonic() > deadline:
                raise TimeoutError(f"The site does not answer; {log} says why.")
            time.sleep(0.5)
    return url


def stop(settings):
    """End the server that was left running; tell whether there was one."""
    return processes.stop(_pid_file(settings), signal.SIGTERM, patience=10)


def tell(console, settings, url):
    """Print where to look, and as whom."""
    owner = f"{SHOWN.owner}@example.org"
    hidden = next(community for community in COMMUNITIES if community.restricted)
    console.rule("[bold]The site[/]")
    console.print(
        f"""\
{url}/stats                             the whole repository
{url}/communities/{SHOWN.slug}/stats        {SHOWN.title}
{url}/communities/{hidden.slug}/stats    {hidden.title}, for its members only
{url}/login/                            log in as {owner}, password {PASSWORD},
                                                  who manages {SHOWN.title}

./run-demo.sh --stop-serving                      ends it""",
        markup=False,
        soft_wrap=True,
    )


def _pid_file(settings):
    return settings.root / "server.pid"


def _free_port():
    """Return the usual port, or another one where it is taken."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise OSError("no port is free")


def _answers(url):
    try:
        with urlopen(f"{url}/ping", timeout=30) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
