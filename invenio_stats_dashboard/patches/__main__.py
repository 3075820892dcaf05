# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Look for component hooks in the environment of this Python, and add what lacks."""

from __future__ import annotations

import argparse
import sys
from importlib import metadata, util
from pathlib import Path

from files import RefusedError, Step, carry_out, make_plan
from shapes import TARGETS, Target

DONE, FAILED, WRONG_USE, SOMETHING_TO_DO = 0, 1, 2, 3

DOING = {"patch": "patch", "restore": "restore the original", "forget": "drop the backup"}
DID = {"patch": "patched", "restore": "original restored", "forget": "backup dropped"}


class MissingPackageError(Exception):
    """A package that is looked at is not installed."""


def find_files() -> list[tuple[Target, Path]]:
    """Return each target with its file, found without importing the packages.

    Raises:
        MissingPackageError: A package is not installed.
    """
    found = []
    for target in TARGETS:
        spec = util.find_spec(target.package)
        if spec is None or not spec.submodule_search_locations:
            raise MissingPackageError(
                f"{target.package} is not installed in {sys.prefix}: give the path of"
                " the environment of an InvenioRDM instance."
            )
        found.append((target, Path(spec.submodule_search_locations[0]) / target.path))
    return found


def installed() -> str:
    """Return the packages that are looked at, with their versions, for people."""
    names = []
    for package in dict.fromkeys(target.package for target in TARGETS):
        name = package.replace("_", "-")
        try:
            names.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            names.append(name)
    return " and ".join(names)


def say_nothing_to_do(steps: list[Step], revert: bool) -> None:
    """Say why there is nothing to do."""
    if revert:
        print(f"Nothing to revert: {installed()} are not patched.")
    elif all(step.now == "has hooks" for step in steps):
        print(f"Nothing to patch: {installed()} have component hooks of their own.")
    else:
        print("Nothing to patch: all is patched or has component hooks of its own.")


def run(check: bool, revert: bool) -> int:
    """Make the plan and show it or carry it out; return the exit code.

    Raises:
        MissingPackageError: A package is not installed.
        OSError: A file cannot be changed.
        RefusedError: A file is not understood.
    """
    steps = make_plan(find_files(), revert)
    to_do = [step for step in steps if step.action != "keep"]
    for step in steps:
        if step.action == "keep":
            print(f"{step.path}: {step.now}")
        elif check:
            print(f"{step.path}: {step.now}; would {DOING[step.action]}")
        else:
            carry_out(step)
            print(f"{step.path}: {DID[step.action]}")
        sys.stdout.flush()
    if not to_do:
        say_nothing_to_do(steps, revert)
    elif check:
        print("Nothing was changed: this was a check.")
        return SOMETHING_TO_DO
    else:
        print("Done: restart the web and worker processes of the instance.")
    return DONE


def main() -> int:
    """Read the arguments, run, and turn what goes wrong into a sentence."""
    parser = argparse.ArgumentParser(prog="apply_patches.sh", add_help=False)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--revert", action="store_true")
    arguments = parser.parse_args()
    try:
        return run(arguments.check, arguments.revert)
    except MissingPackageError as error:
        print(error, file=sys.stderr)
        return WRONG_USE
    except RefusedError as error:
        print(f"Refused, and nothing was changed:\n{error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"Stopped: {error}. Run the same command again.", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
