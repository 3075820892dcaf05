# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A site in the folders of InvenioRDM's cookiecutter, and a shell for its operator.

``invenio`` commands run in forks of an application that is built once from the site's
``invenio.cfg``. All other commands run in Bash.
"""

import ast
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from scripts.demo.applications import Application

from . import instance
from .commands import Outcome

ROOT = Path(__file__).parents[2]

FOLDERS = ("app_data", "assets", "data", "site", "static", "templates", "translations")

IN_THE_FILE = (
    "ACCOUNTS_SESSION_REDIS_URL",
    "APP_DEFAULT_SECURE_HEADERS",
    "BROKER_URL",
    "CACHE_KEY_PREFIX",
    "CACHE_REDIS_URL",
    "CELERY_BROKER_URL",
    "CELERY_CACHE_BACKEND",
    "CELERY_RESULT_BACKEND",
    "CELERY_TASK_ALWAYS_EAGER",
    "COMMUNITIES_IDENTITIES_CACHE_REDIS_URL",
    "DATACITE_ENABLED",
    "RATELIMIT_ENABLED",
    "SEARCH_HOSTS",
    "SEARCH_INDEX_PREFIX",
    "SECRET_KEY",
    "SECURITY_PASSWORD_SALT",
    "SITE_API_URL",
    "SITE_UI_URL",
    "SQLALCHEMY_DATABASE_URI",
    "STATS_DASHBOARD_REINDEXING_WORKER_TIMEOUT",
)
"""Variables of a test instance that can be written as literals."""


class DocumentedSite:
    """A site whose operator types commands.

    Args:
        where: the :class:`~.instance.Place` of its services.
        extra: Python code at the end of ``invenio.cfg``.
    """

    def __init__(self, where, extra=""):
        """Write the folders and ``invenio.cfg``; :meth:`start` starts a process."""
        self.where, self.folder = where, Path(where.folder)
        for name in FOLDERS:
            (self.folder / name).mkdir(exist_ok=True)
        settings = instance.config(where, TRUSTED_HOSTS=["127.0.0.1"])
        lines = [f"{name} = {settings[name]!r}" for name in IN_THE_FILE]
        text = "\n".join([*lines, 'TRUSTED_HOSTS = ["127.0.0.1"]', "", extra])
        (self.folder / "invenio.cfg").write_text(text)
        self._process, self._variables = None, None

    @property
    def environment(self):
        """Return the environment of the operator's shell."""
        mine = {n: v for n, v in os.environ.items() if not n.startswith("INVENIO_")}
        return mine | {
            "HOST": f"http://{ast.literal_eval(os.environ['SEARCH_HOSTS'])[0]}",
            "INVENIO_INSTANCE_PATH": str(self.folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PREFIX": self.where.prefix,
            "PYTHONWARNINGS": "ignore",
        }

    def start(self, **variables):
        """Start the site's process again, as after a change of the configuration.

        It is a new process, not a fork of this one, which may have used Polars.

        Args:
            **variables: variables that override ``invenio.cfg``.
        """
        self.stop()
        self._variables = variables
        changes = {f"INVENIO_{n}": str(value) for n, value in variables.items()}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env={**self.environment, **changes},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "built\n"

    def start_once(self, **variables):
        """Start the site's process, unless it runs with these variables."""
        if self._process is None or self._variables != variables:
            self.start(**variables)

    def stop(self):
        """End the site's process."""
        if self._process:
            self._process.communicate()
            self._process = None

    def type(self, line):
        """Run a command line of the operator, who answers each question with yes."""
        if line.startswith("invenio "):
            return self.run("invenio", shlex.split(line)[1:])
        done = subprocess.run(
            ["bash", "-euc", line],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def run(self, name, *arguments):
        """Run one of :data:`FUNCTIONS` with the application; return what it prints."""
        files = [self.folder / "out", self.folder / "err"]
        for path in files:
            path.write_text("")
        print(json.dumps([name, arguments, *map(str, files)]), file=self._process.stdin)
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return Outcome(code, *(path.read_text() for path in files))


def invenio(app, words):
    """Run a command of ``invenio``, and answer each question with yes."""
    from flask.cli import ScriptInfo
    from invenio_app.cli import cli

    sys.argv = ["invenio", *words]
    sys.stdin = io.StringIO("y\n" * 5)
    info = ScriptInfo(create_app=lambda: app)
    return cli.main(words, prog_name="invenio", obj=info)


def ask(app, method, path, token, body=None):
    """Send a request to the site, and print the status and the response.

    Args:
        app: the application.
        method: name of the HTTP method.
        path: path with the query.
        token: a personal access token, or None.
        body: JSON to send.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    site = app.config["SITE_UI_URL"]
    answer = app.test_client().open(
        path, method=method, headers=headers, json=body, base_url=site
    )
    print(answer.status_code, answer.text)


FUNCTIONS = {"invenio": invenio, "ask": ask}


def _build():
    from invenio_app.factory import create_app

    return create_app(instance_path=os.environ["INVENIO_INSTANCE_PATH"])


def _main():
    """Build the application, and run what is requested in forks of it."""
    answers, sys.stdout = sys.stdout, sys.stderr
    application = Application(_build)
    application.wait()
    print("built", file=answers, flush=True)
    for line in sys.stdin:
        name, arguments, out, err = json.loads(line)
        application.begin(
            FUNCTIONS[name], *arguments, output=Path(out), errors=Path(err)
        )
        print(application.ended(), file=answers, flush=True)
    application.end()


if __name__ == "__main__":
    _main()
