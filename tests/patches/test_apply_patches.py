# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test apply_patches.sh on released packages.

That the hooks fire on a real instance is shown by ``scripts/check-patches``, which
takes minutes.
"""

import ctypes
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import pytest

from invenio_stats_dashboard.patches.targets import TARGETS, has_hooks

from .environments import CLEAN, Environment, apply_patches

pytestmark = pytest.mark.component  # it installs packages from PyPI

LACKING = [
    ("10.0.0", "4.1.4"),
    ("10.9.3", "4.1.4"),
    ("10.9.3", "4.7.0"),
    ("19.0.0", "7.0.0"),
    ("19.0.1", "7.2.2"),
    ("19.5.11", "7.2.0"),
    ("20.0.0", "9.0.2"),
    ("20.2.0", "10.0.0"),
]
"""Versions of invenio-rdm-records and invenio-requests that have no hooks."""

HAVING = [("19.6.0", "7.2.3"), ("20.2.1", "9.0.3"), ("36.0.0", "15.2.2")]
"""Versions that have hooks."""


def make(folder, versions):
    """Make an environment with versions of the two packages."""
    return Environment.make(
        folder, invenio_rdm_records=versions[0], invenio_requests=versions[1]
    )


@pytest.fixture()
def environment(tmp_path):
    """Return an environment of an InvenioRDM 13 without hooks."""
    return make(tmp_path / "env", ("19.5.11", "7.2.0"))


def hooked(environment):
    """Return for each file whether it has hooks."""
    return [
        has_hooks(target, path.read_text())
        for target, path in zip(TARGETS, environment.targets, strict=True)
    ]


def refused(environment, before, *options, **more):
    """Run the script, see it refuse without changing anything; return what it says."""
    done = apply_patches(*options, environment.folder, **more)
    assert done.returncode == 1, done.stdout
    assert "Nothing was changed" in done.stderr
    assert environment.look() == before
    return done.stderr


@pytest.mark.parametrize("versions", LACKING, ids="-".join)
def test_versions_without_hooks_get_them_and_are_put_back_to_the_byte(
    tmp_path, versions
):
    environment = make(tmp_path / "env", versions)
    before = environment.look()
    contents = [path.read_bytes() for path in environment.targets]
    assert hooked(environment) == [False] * 4

    check = apply_patches("--check", environment.folder)
    assert check.returncode == 3
    assert "4 of 4 files would be patched" in check.stdout
    assert environment.look() == before

    done = apply_patches(environment.folder)
    assert done.returncode == 0, done.stderr
    assert "Patched 4 files" in done.stdout
    assert hooked(environment) == [True] * 4
    backups = [
        Path(f"{path}.before-stats-dashboard").read_bytes()
        for path in environment.targets
    ]
    assert backups == contents

    patched = environment.look()
    assert len(patched) == len(before) + 4
    for options in ([], ["--check"]):
        again = apply_patches(*options, environment.folder)
        assert again.returncode == 0
        assert "Nothing to patch" in again.stdout
        assert environment.look() == patched

    back = apply_patches("--revert", environment.folder)
    assert back.returncode == 0, back.stderr
    assert "Restored 4 files" in back.stdout
    assert environment.look() == before
    assert apply_patches("--revert", environment.folder).returncode == 0
    assert environment.look() == before


@pytest.mark.parametrize("versions", HAVING, ids="-".join)
def test_versions_with_hooks_are_left_alone(tmp_path, versions):
    environment = make(tmp_path / "env", versions)
    before = environment.look()
    for options in ([], ["--check"], ["--revert"]):
        done = apply_patches(*options, environment.folder)
        assert done.returncode == 0, done.stderr
        assert "Nothing to" in done.stdout
        assert environment.look() == before


def test_the_active_environment_with_the_supported_inveniordm_needs_no_patch():
    done = apply_patches("--check", env={"VIRTUAL_ENV": sys.prefix})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{sys.prefix}:")
    assert "Nothing to patch: invenio-rdm-records 3" in done.stdout


def test_only_the_package_that_lacks_hooks_is_patched(tmp_path):
    environment = make(tmp_path / "env", ("20.2.1", "9.0.2"))
    before = environment.look()
    assert hooked(environment) == [True, True, False, False]
    assert "Patched 2 files" in apply_patches(environment.folder).stdout
    assert hooked(environment) == [True] * 4
    changed = {Path(p).parts[-4] for p in set(environment.look()) - set(before)}
    assert changed == {"invenio_requests"}
    apply_patches("--revert", environment.folder)
    assert environment.look() == before


EDITS = {
    "a line at the place of a hook": (
        'event["payload"] = data["payload"]',
        'event["payload"] = dict(data["payload"])',
        "where the hook 'delete_comment' belongs",
    ),
    "a hook of the site's own": (
        'event["payload"] = data["payload"]',
        'self.run_components("create", identity)',
        "has create, but not update_comment, delete_comment",
    ),
    "another class": (
        "class RequestEventsService(",
        "class Another(",
        "has no class RequestEventsService",
    ),
    "not Python": ("class RequestEventsService(", "class class", "not Python code"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_file_is_refused_and_no_file_changed(environment, edit):
    old, new, reason = EDITS[edit]
    path = environment.targets[3]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    before = environment.look()
    says = refused(environment, before)
    assert str(path) in says and reason in says and "invenio-requests 7.2.0" in says
    assert reason in refused(environment, before, "--check")


def test_a_configuration_with_other_components_is_refused(environment):
    path = environment.targets[2]
    path.write_text(path.read_text() + "    components = []\n")
    says = refused(environment, environment.look())
    assert "components of its own" in says


def test_a_version_without_the_file_is_refused(environment):
    environment.targets[3].unlink()
    assert str(environment.targets[3]) in refused(environment, environment.look())


def test_edits_elsewhere_in_a_file_are_retained(environment):
    path = environment.targets[1]
    path.write_text("# of the site\r\n" + path.read_text() + "\n# ß")
    before = environment.look()
    assert apply_patches(environment.folder).returncode == 0
    assert path.read_bytes().startswith(b"# of the site\r\n")
    assert apply_patches("--revert", environment.folder).returncode == 0
    assert environment.look() == before


def test_files_that_other_environments_share_are_not_written_to(environment, tmp_path):
    shared = tmp_path / "shared.py"
    os.link(environment.targets[1], shared)
    before = shared.read_bytes()
    apply_patches(environment.folder)
    assert environment.targets[1].read_bytes() != before
    assert shared.read_bytes() == before


KILLED = """
import os, runpy, signal, sys
rename, left = os.replace, int(sys.argv.pop(1))
def replace(*paths):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*paths)
os.replace = replace
sys.argv[0] = "patches"
sys.path.insert(0, os.getcwd())
runpy.run_module("patches", run_name="__main__")
"""


def killed(environment, moment, *options):
    """Run the program and kill it before its so-manieth rename; return if it was."""
    done = environment.python(KILLED, str(moment), *options)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def test_a_run_killed_at_any_file_is_finished_or_taken_back_by_another(environment):
    before = environment.look()
    halves = 0
    for moment in range(1, 9):  # four backups and four files
        for then in ("apply", "revert"):
            assert killed(environment, moment)
            halves += 0 < sum(hooked(environment)) < 4
            if then == "apply":
                assert apply_patches(environment.folder).returncode == 0
                assert hooked(environment) == [True] * 4
                assert len(environment.look()) == len(before) + 4
            assert apply_patches("--revert", environment.folder).returncode == 0
            assert environment.look() == before
    assert halves == 6
    assert not killed(environment, 9)


def test_a_revert_killed_at_any_file_is_finished_by_another(environment):
    before = environment.look()
    for moment in range(1, 5):
        apply_patches(environment.folder)
        assert killed(environment, moment, "--revert")
        assert sum(hooked(environment)) == 5 - moment
        assert apply_patches("--revert", environment.folder).returncode == 0
        assert environment.look() == before


def test_a_service_never_runs_components_that_are_not_configured(environment):
    for moment in range(1, 9):
        assert killed(environment, moment)
        records_config, records, requests_config, requests = hooked(environment)
        assert records_config >= records and requests_config >= requests
        apply_patches("--revert", environment.folder)


NAMES = """
import sys
from importlib.machinery import SourceFileLoader
def names(code):
    yield from code.co_names
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from names(constant)
print("run_components" in names(SourceFileLoader("m", sys.argv[1]).get_code("m")))
"""
COMPILE = """
import sys
from py_compile import PycInvalidationMode, compile
compile(sys.argv[1], invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
"""


def test_compiled_code_that_is_never_checked_does_not_outlive_its_file(environment):
    path = str(environment.targets[1])
    environment.python(COMPILE, path)
    assert environment.python(NAMES, path).stdout == "False\n"
    apply_patches(environment.folder)
    assert environment.python(NAMES, path).stdout == "True\n"
    environment.python(COMPILE, path)
    apply_patches("--revert", environment.folder)
    assert environment.python(NAMES, path).stdout == "False\n"


def obey_modes():
    """Take from a child its right as root to write where the mode forbids it."""
    ctypes.CDLL(None).prctl(24, 1)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def test_a_folder_that_is_not_writable_is_named_and_nothing_changed(environment):
    before = environment.look()
    folder = environment.targets[3].parent
    folder.chmod(0o555)
    says = refused(environment, before, preexec_fn=obey_modes)
    assert str(folder) in says and "Permission denied" in says
    check = apply_patches("--check", environment.folder, preexec_fn=obey_modes)
    assert check.returncode == 3


def test_a_failure_in_the_middle_is_undone(environment):
    last = environment.targets[3]
    last.write_text(last.read_text() + "# of the site\n" * 10_000)
    before = environment.look()
    size = last.stat().st_size  # room for all backups and three patched files

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    assert "File too large" in refused(environment, before, preexec_fn=limit)


def test_compiled_code_that_cannot_be_deleted_is_named(environment):
    environment.python(COMPILE, str(environment.targets[1]))
    before = environment.look()
    compiled = environment.targets[1].parent / "__pycache__"
    compiled.chmod(0o555)
    assert str(compiled) in refused(environment, before, preexec_fn=obey_modes)


def test_an_environment_that_lacks_a_package_is_refused(tmp_path):
    empty = Environment.make(tmp_path / "empty")
    half = Environment.make(tmp_path / "half", invenio_rdm_records="19.5.11")
    for environment, missing in (
        (empty, "invenio-rdm-records"),
        (half, "invenio-requests"),
    ):
        before = environment.look()
        done = apply_patches(environment.folder)
        assert done.returncode == 1
        assert f"{environment.folder} has no {missing}." in done.stderr
        assert environment.look() == before


def test_a_checkout_in_the_current_folder_is_not_the_environment(tmp_path):
    empty = Environment.make(tmp_path / "empty")
    checkout = make(tmp_path / "env", ("19.5.11", "7.2.0"))
    done = apply_patches(empty.folder, cwd=checkout.site_packages)
    assert done.returncode == 1
    assert "has no invenio-rdm-records" in done.stderr


def test_the_program_is_found_where_python_does_not_look_in_the_current_folder(
    environment,
):
    done = apply_patches("--check", environment.folder, env={"PYTHONSAFEPATH": "1"})
    assert done.returncode == 3, done.stderr


def test_an_upgrade_after_patching_is_patched_and_put_back_as_itself(environment):
    apply_patches(environment.folder)
    old = environment.targets[0].read_bytes()
    environment.install(invenio_rdm_records="20.2.0", invenio_requests="10.0.0")
    upgraded = [path.read_bytes() for path in environment.targets]
    assert hooked(environment) == [False] * 4 and upgraded[0] != old

    assert apply_patches(environment.folder).returncode == 0
    assert hooked(environment) == [True] * 4
    apply_patches("--revert", environment.folder)
    assert [path.read_bytes() for path in environment.targets] == upgraded


def test_a_backup_of_another_version_is_never_put_back(environment):
    apply_patches(environment.folder)
    environment.install(invenio_rdm_records="20.2.1", invenio_requests="9.0.3")
    upgraded = [path.read_bytes() for path in environment.targets]
    done = apply_patches("--revert", environment.folder)
    assert "Nothing to restore" in done.stdout
    assert [path.read_bytes() for path in environment.targets] == upgraded
    assert not list(environment.site_packages.rglob("*before-stats-dashboard"))


def test_what_was_changed_after_patching_is_not_put_back(environment):
    apply_patches(environment.folder)
    path = environment.targets[3]
    path.write_text(path.read_text() + "# of the site\n")
    says = refused(environment, environment.look(), "--revert")
    assert str(path) in says and "changed after it was patched" in says


def test_a_missing_backup_is_reported(environment):
    apply_patches(environment.folder)
    backup = Path(f"{environment.targets[3]}.before-stats-dashboard")
    backup.unlink()
    says = refused(environment, environment.look(), "--revert")
    assert f"{backup} is missing. Install invenio-requests 7.2.0 again" in says


@pytest.mark.parametrize(
    "arguments", [["--never"], ["/nowhere"], ["a", "b"], [""], ["--check", "--revert"]]
)
def test_wrong_use_is_distinguished_from_refusal(arguments):
    done = apply_patches(*arguments, env={"VIRTUAL_ENV": sys.prefix})
    assert done.returncode == 2
    assert done.stderr


def test_help_names_every_option():
    done = apply_patches("--help")
    assert done.returncode == 0
    for option in ("--check", "--revert", "ENVIRONMENT"):
        assert option in done.stdout


def test_no_active_environment_means_the_python_on_the_path(environment, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env", "dirname", "cat"):
        (folder / name).symlink_to(shutil.which(name, path=CLEAN["PATH"]))
    path = f"{environment.folder}/bin:{folder}"
    done = apply_patches("--check", env={"PATH": path})
    assert done.returncode == 3, done.stderr
    none = apply_patches("--check", env={"PATH": str(folder)})
    assert none.returncode == 2
    assert "no environment is active" in none.stderr
