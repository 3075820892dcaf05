# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run the chosen tests with all supported versions, and print a table of the results.

Each combination of versions has an environment of its own in ``.versions/``. A
combination whose Python is missing is skipped, and the table says so. The tests are
those of ``tests/helpers/chosen.py``, on the services that ``scripts/services`` starts.
For a combination with another OpenSearch, these are services of their own.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENTS = REPOSITORY / ".versions"
RESULTS = REPOSITORY / ".tests"

SERVICES = ("SQLALCHEMY_DATABASE_URI", "SEARCH_HOSTS", "CACHE_REDIS_URL", "BROKER_URL")
"""Variables that name running services."""

SHOWN = ("invenio-app-rdm", "polars")
"""Packages whose installed versions the table shows."""


@dataclass(frozen=True)
class Combination:
    """Versions that are tested together."""

    invenio: str
    """The version of InvenioRDM, as ``scripts/environment`` takes it."""
    python: str
    label: str = ""
    """What is special about the combination, for its name."""
    requirements: tuple[str, ...] = ()
    """Requirements that replace versions of the constraints."""
    opensearch: str = ""
    """The version of OpenSearch; empty for that of ``scripts/services``."""

    @property
    def name(self) -> str:
        """A name for files and for the command line."""
        name = f"{self.invenio}-py{self.python}"
        return f"{name}-{self.label}" if self.label else name


COMBINATIONS = (
    Combination("13.1", "3.11"),
    Combination("13.1", "3.12"),
    Combination("14", "3.11"),
    Combination("14", "3.12"),
    Combination("14", "3.13"),
    Combination("14", "3.14"),
    Combination("15", "3.11"),
    Combination("15", "3.12"),
    Combination("15", "3.13"),
    Combination("15", "3.14"),
    Combination("14", "3.12", "polars2", ("polars>=2,<3",)),
    Combination(
        *("14", "3.11", "oldest"),
        ("polars==1.36.*", "msgspec==0.19.*", "XlsxWriter==3.2.0", "xxhash==3.4.*"),
    ),
    Combination("14", "3.12", "opensearch2.12", opensearch="2.12.0"),
)


@dataclass
class Result:
    """What became of a combination."""

    combination: Combination
    outcome: str
    """``passed``, or a text that says what failed or why it was skipped."""
    passed: int = 0
    failed: int = 0
    seconds: float = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    """Name -> installed version, of :data:`SHOWN` and of Python and OpenSearch."""

    @property
    def is_failure(self) -> bool:
        """Whether the combination was tried and did not pass."""
        return self.outcome != "passed" and not self.outcome.startswith("skipped")


def find_python(version: str) -> str | None:
    """Return the path of a Python of this version, or None."""
    root = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    candidates = [
        shutil.which(f"python{version}"),
        *sorted(glob.glob(f"{root}/versions/{version}.*/bin/python")),
    ]
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        # a command of pyenv exists for versions that are not active as well
        done = subprocess.run(
            [candidate, "-c", code], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and done.stdout.strip() == version:
            return candidate
    return None


def run(combination: Combination, say) -> Result:
    """Install the versions of a combination and run the chosen tests with them."""
    python = find_python(combination.python)
    if python is None:
        return Result(combination, f"skipped: no Python {combination.python}")
    ENVIRONMENTS.mkdir(exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    log = RESULTS / f"{combination.name}.log"
    began = time.monotonic()
    with log.open("w") as output, services_of(combination) as environ:
        environ |= {"VENV": str(ENVIRONMENTS / combination.name), "PYTHON": python}
        say("install")
        if not install(combination, environ, output):
            return Result(combination, f"not installed: see {log.name}")
        versions = installed_versions(combination, environ)
        say("run the tests")
        report = RESULTS / "junit.xml"
        report.unlink(missing_ok=True)
        code = _call(["./run-tests.sh", "--chosen"], environ, output)
    result = read_report(combination, report, code, log.name)
    result.seconds, result.versions = time.monotonic() - began, versions
    return result


def install(combination: Combination, environ: Mapping[str, str], output) -> bool:
    """Make or update the environment; return whether its packages fit together."""
    command = ["scripts/environment", "--invenio", combination.invenio]
    for requirement in combination.requirements:
        command += ["--with", requirement]
    if _call(command, environ, output):
        return False
    uv = Path(environ["VENV"]) / "bin" / "uv"
    python = Path(environ["VENV"]) / "bin" / "python"
    return not _call(
        [str(uv), "pip", "check", "--python", str(python)], environ, output
    )


def installed_versions(
    combination: Combination, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the versions in the environment of a combination."""
    code = (
        "import json, platform, sys\n"
        "from importlib.metadata import version\n"
        "names = {name: version(name) for name in sys.argv[1:]}\n"
        "print(json.dumps({'python': platform.python_version(), **names}))"
    )
    python = Path(environ["VENV"]) / "bin" / "python"
    done = subprocess.run(
        [str(python), "-c", code, *SHOWN], capture_output=True, text=True, check=True
    )
    return {**json.loads(done.stdout), "opensearch": combination.opensearch}


def read_report(combination: Combination, report: Path, code: int, log: str) -> Result:
    """Return the result that a JUnit report and an exit code describe.

    Args:
        combination: what was tested.
        report: the file; it does not exist if pytest did not start.
        code: the exit code of ``run-tests.sh``.
        log: name of the file with the output, for the outcome.
    """
    if not report.exists():
        return Result(combination, f"not started: see {log}")
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        for name in counts:
            counts[name] += int(suite.get(name, 0))
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    outcome = "passed"
    if failed or code or not passed:
        outcome = f"{failed} failed: see {log}" if failed else f"failed: see {log}"
    return Result(combination, outcome, passed, failed)


@contextmanager
def services_of(combination: Combination) -> Iterator[dict[str, str]]:
    """Yield the environment variables with which a combination is tested."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VENV", "VIRTUAL_ENV", "PYTHON")
    }
    if not combination.opensearch:
        yield environ
        return
    folder = Path(tempfile.mkdtemp(prefix="check-versions-", dir="/var/tmp"))
    folder.chmod(0o755)
    offset = int(environ.get("SERVICES_PORT_OFFSET") or 0) + 40
    for name in SERVICES:
        environ.pop(name, None)
    environ.pop("SERVICES_OPENSEARCH_DIST", None)
    environ |= {
        "SERVICES_FROM": "native",
        "SERVICES_HOME": str(folder),
        "SERVICES_OPENSEARCH_VERSION": combination.opensearch,
        "SERVICES_PORT_OFFSET": str(offset),
    }
    try:
        yield environ
    finally:
        _call(["scripts/services", "down", "--remove"], environ, subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


def _call(command: list[str], environ: Mapping[str, str], output) -> int:
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        check=False,
    ).returncode


def table(results: list[Result]) -> str:
    """Return the table of the documentation."""
    lines = [
        "| InvenioRDM | Python | Polars | OpenSearch | result |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        wanted, found = result.combination, result.versions
        cells = [
            found.get("invenio-app-rdm", wanted.invenio),
            found.get("python", wanted.python),
            found.get("polars", ""),
            wanted.opensearch or default_opensearch(),
            _described(result),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _described(result: Result) -> str:
    if result.outcome == "passed":
        return f"{result.passed} tests passed"
    return result.outcome


def default_opensearch() -> str:
    """Return the version of OpenSearch that ``scripts/services`` starts."""
    path = REPOSITORY / "scripts/lib/local_services/settings.py"
    return re.search(r'^OPENSEARCH_VERSION = "(.*)"', path.read_text(), re.M)[1]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/check-versions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="run only combinations whose names begin so; see --list",
    )
    parser.add_argument(
        "--list", action="store_true", help="print the names of the combinations"
    )
    return parser


def choose(names: list[str]) -> list[Combination]:
    """Return the combinations whose names begin with one of these; all for none.

    Raises:
        ValueError: no combination has such a name.
    """
    for name in names:
        if not any(c.name.startswith(name) for c in COMBINATIONS):
            raise ValueError(f"no combination has a name that begins with {name!r}")
    return [c for c in COMBINATIONS if not names or c.name.startswith(tuple(names))]


def main(arguments: list[str] | None = None) -> int:
    """Run the combinations and print the table; return 0 if none failed."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        chosen = choose(options.names)
    except ValueError as error:
        parser.error(f"{error}; see --list")
    if options.list:
        for combination in chosen:
            missing = "" if find_python(combination.python) else "  (Python is missing)"
            print(f"{combination.name}{missing}")
        return 0
    results = []
    for combination in chosen:

        def say(what: str, name: str = combination.name) -> None:
            print(f"{name}: {what}", file=sys.stderr, flush=True)

        results.append(run(combination, say))
        say(f"{_described(results[-1])} after {results[-1].seconds:.0f} s")
    print(table(results))
    return 1 if any(result.is_failure for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
