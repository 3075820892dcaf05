# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Versions of InvenioRDM and Python can be chosen, and all are tested."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check_versions
from scripts.check_versions import COMBINATIONS, Combination, Result

from .helpers.chosen import CHOSEN

REPOSITORY = Path(__file__).resolve().parents[1]
CONSTRAINTS = {
    "13.1": REPOSITORY / "constraints-13.1.txt",
    "14": REPOSITORY / "constraints.txt",
    "15": REPOSITORY / "constraints-15.txt",
}

PYTHON = """\
#!{python}
import os, sys
if sys.argv[1] == "--version":
    print("Python {version}.9")
elif sys.argv[1] == "-":
    del sys.argv[1]
    sys.version_info = ({numbers}, 9)
    exec(sys.stdin.read())
elif sys.argv[1:3] == ["-m", "venv"]:
    os.makedirs(sys.argv[-1] + "/bin")
    os.symlink(__file__, sys.argv[-1] + "/bin/python")
else:
    sys.exit("this is as far as it goes")
"""
"""A program that answers as Python of some version, and makes empty environments."""


@pytest.fixture()
def pythons(tmp_path):
    """Return a function that adds a Python to those that are found."""
    folder = tmp_path / "programs"
    folder.mkdir()

    def add(name, version):
        program = folder / name
        numbers = version.replace(".", ", ")
        program.write_text(
            PYTHON.format(python=sys.executable, version=version, numbers=numbers)
        )
        program.chmod(0o755)
        return str(program)

    for number in range(11, 20):
        (folder / f"python3.{number}").symlink_to("/bin/false")
    return add


def environment(tmp_path, *arguments, **variables):
    """Call scripts/environment for a new folder, with the programs of the test."""
    environ = {
        "PATH": f"{tmp_path / 'programs'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "VENV": str(tmp_path / "environment"),
        **variables,
    }
    return subprocess.run(
        [str(REPOSITORY / "scripts" / "environment"), *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "3.14"),
        (("--invenio", "14"), "3.14"),
        (("--invenio", "13.1"), "3.12"),
        (("--invenio", "15"), "3.14"),
    ],
)
def test_an_environment_is_made_with_a_python_that_suits_the_invenio(
    tmp_path, pythons, options, expected
):
    pythons("python3", "3.14")
    (tmp_path / "programs" / "python3.12").unlink()
    pythons("python3.12", "3.12")

    done = environment(tmp_path, *options)
    assert f"making {tmp_path}/environment with Python {expected}.9" in done.stderr


def test_where_no_python_suits_the_message_says_which_would(tmp_path, pythons):
    pythons("python3", "3.13")

    done = environment(tmp_path, "--invenio", "13.1")
    assert done.returncode == 1
    assert "no Python from 3.11 to 3.12 was found, which InvenioRDM 13.1" in done.stderr


def test_a_named_python_is_used_even_if_it_is_newer(tmp_path, pythons):
    named = pythons("newest", "3.15")

    done = environment(tmp_path, PYTHON=named)
    assert "with Python 3.15.9" in done.stderr


def test_a_python_that_is_too_old_is_refused(tmp_path, pythons):
    named = pythons("old", "3.10")

    done = environment(tmp_path, PYTHON=named)
    assert done.returncode == 1
    assert "is not Python 3.11 or later" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--invenio", "12"), "choose 13.1, 14 or 15"),
        (("--invenio",), "--invenio needs a value"),
        (("--with",), "--with needs a value"),
        (("--fast",), "unknown argument --fast"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, pythons, arguments, said):
    done = environment(tmp_path, *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "environment").exists()


def test_an_environment_retains_what_it_was_made_for(tmp_path, pythons):
    pythons("python3", "3.12")
    environment(tmp_path, "--invenio", "13.1", "--with", "polars>=1,<2")
    choice = tmp_path / "environment" / "stats-dashboard-invenio"
    assert choice.read_text() == "13.1\npolars>=1,<2\n"

    environment(tmp_path)
    assert choice.read_text() == "13.1\npolars>=1,<2\n"
    refused = environment(tmp_path, "--invenio", "14")
    assert refused.returncode == 1
    assert "has InvenioRDM 13.1: set VENV to another folder" in refused.stderr


@pytest.mark.parametrize("version", CONSTRAINTS)
def test_constraints_are_those_of_the_version(version):
    lines = CONSTRAINTS[version].read_text().splitlines()

    assert any(line.startswith(f"invenio-app-rdm=={version}.") for line in lines)
    newest = "3.12" if version == "13.1" else "3.14"
    assert f"# Python 3.11 to {newest}" in lines


@pytest.mark.parametrize("version", ["13.1", "14"])
def test_constraints_before_15_have_no_wtforms_that_breaks_the_preferences(version):
    (found,) = re.findall(r"^wtforms==(.*)$", CONSTRAINTS[version].read_text(), re.M)
    assert tuple(map(int, found.split(".")))[:2] < (3, 3)


@pytest.mark.parametrize("version", CONSTRAINTS)
def test_every_supported_python_is_tested_with_each_invenio(version):
    (newest,) = re.findall(
        r"^# Python 3.11 to 3.(\d+)$", CONSTRAINTS[version].read_text(), re.M
    )
    pythons = {c.python for c in COMBINATIONS if c.invenio == version and not c.label}
    assert pythons == {f"3.{number}" for number in range(11, int(newest) + 1)}


def test_no_two_combinations_have_the_same_name():
    names = [combination.name for combination in COMBINATIONS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("subject", CHOSEN)
def test_chosen_tests_exist(subject):
    assert CHOSEN[subject]
    for chosen in CHOSEN[subject]:
        path, _, name = chosen.partition("::")
        assert f"def {name}" in (REPOSITORY / path).read_text()


def test_every_module_can_be_imported():
    code = (
        "import importlib, pkgutil, invenio_stats_dashboard as package\n"
        "names = [m.name for m in pkgutil.walk_packages(package.__path__, "
        "package.__name__ + '.') if not m.name.endswith('__main__')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


@pytest.fixture()
def ci(tmp_path):
    """Return a function that calls .ci/run with a run-tests.sh that stores arguments.

    It returns the exit code and the arguments of each call.
    """
    (tmp_path / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci" / "run", tmp_path / ".ci" / "run")
    tests = tmp_path / "run-tests.sh"
    tests.write_text('#!/bin/sh\necho "$@" >>calls\n[ "$2" != "$FAILING" ]\n')
    tests.chmod(0o755)

    def call(*arguments, **variables):
        done = subprocess.run(
            [str(tmp_path / ".ci" / "run"), *arguments],
            env={"PATH": os.environ["PATH"], "FAILING": "none", **variables},
            capture_output=True,
            check=False,
        )
        return done.returncode, (tmp_path / "calls").read_text().splitlines()

    return call


def test_ci_runs_one_version_unless_all_are_requested(ci):
    assert ci("--coverage") == (0, ["--coverage"])


def test_ci_runs_the_chosen_tests_with_the_oldest_and_newest_version(ci):
    code, calls = ci(CI_ALL_VERSIONS="yes")
    assert code == 0
    assert calls == ["", "--invenio 13.1 --chosen", "--invenio 15 --chosen"]


@pytest.mark.parametrize("version", ["13.1", "15"])
def test_ci_fails_if_a_version_fails(ci, version):
    assert ci(CI_ALL_VERSIONS="yes", FAILING=version)[0] == 1


def test_chosen_tests_cannot_be_combined_with_others():
    done = subprocess.run(
        [str(REPOSITORY / "run-tests.sh"), "--chosen", "tests/cli"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "leave out other arguments" in done.stderr


def test_a_combination_without_its_python_is_skipped(monkeypatch):
    monkeypatch.setattr(check_versions, "find_python", lambda version: None)

    result = check_versions.run(Combination("14", "3.14"), say=print)
    assert result.outcome == "skipped: no Python 3.14"
    assert not result.is_failure


def test_the_python_that_runs_is_found(monkeypatch):
    version = "{}.{}".format(*sys.version_info)
    found = Path(sys.base_prefix) / "bin"
    monkeypatch.setenv("PATH", str(found), prepend=os.pathsep)

    python = check_versions.find_python(version)
    shown = subprocess.run(
        [python, "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith(f"Python {version}.")


def test_combinations_are_chosen_by_the_beginning_of_their_names():
    chosen = check_versions.choose(["13.1", "14-py3.13"])
    assert [c.name for c in chosen] == ["13.1-py3.11", "13.1-py3.12", "14-py3.13"]
    assert check_versions.choose([]) == list(COMBINATIONS)
    with pytest.raises(ValueError, match="begins with '12'"):
        check_versions.choose(["14", "12"])


REPORT = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="1"/>'


@pytest.mark.parametrize(
    ("tests", "failures", "errors", "code", "outcome"),
    [
        (9, 0, 0, 0, "passed"),
        (9, 2, 1, 1, "3 failed: see the.log"),
        (9, 0, 0, 1, "failed: see the.log"),
        (1, 0, 0, 0, "failed: see the.log"),
    ],
)
def test_a_run_has_passed_if_tests_ran_and_all_passed(
    tmp_path, tests, failures, errors, code, outcome
):
    report = tmp_path / "junit.xml"
    report.write_text(REPORT.format(tests, failures, errors) + "</testsuites>")

    result = check_versions.read_report(COMBINATIONS[0], report, code, "the.log")
    assert result.outcome == outcome
    assert result.passed == tests - failures - errors - 1
    assert result.is_failure == (outcome != "passed")


def test_a_run_without_a_report_has_failed(tmp_path):
    report = tmp_path / "none.xml"
    result = check_versions.read_report(COMBINATIONS[0], report, 1, "the.log")
    assert result.outcome == "not started: see the.log"
    assert result.is_failure


def test_the_table_has_a_row_for_each_combination():
    versions = {"invenio-app-rdm": "14.0.5", "python": "3.12.1", "polars": "2.1.0"}
    table = check_versions.table(
        [
            Result(
                Combination("14", "3.12", opensearch="2.12.0"),
                *("passed", 212),
                versions=versions,
            ),
            Result(Combination("14", "3.14"), "skipped: no Python 3.14"),
        ]
    )
    default = check_versions.default_opensearch()
    assert table.splitlines()[2:] == [
        "| 14.0.5 | 3.12.1 | 2.1.0 | 2.12.0 | 212 tests passed |",
        f"| 14 | 3.14 |  | {default} | skipped: no Python 3.14 |",
    ]
