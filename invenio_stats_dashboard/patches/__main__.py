# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The command line of ``apply_patches.sh``, run by the Python to be patched."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import TypeVar

from . import files
from .targets import MARK, TARGETS, Target, UnknownCodeError, has_hooks, patched

DONE, FAILED, TO_DO = 0, 1, 3
"""Exit codes. Wrong arguments exit with 2."""

_Result = TypeVar("_Result")


class PatchError(Exception):
    """The environment cannot be patched; nothing was changed."""


@dataclass(frozen=True)
class Installed:
    """A file of the environment that is patched.

    Attributes:
        target: the hooks that the file needs.
        path: path of the file.
        content: its bytes.
    """

    target: Target
    path: Path
    content: bytes

    @property
    def marked(self) -> bool:
        """Return whether the file is patched."""
        return MARK.encode() in self.content


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, patch or restore an environment, and return the exit code."""
    options = _options(arguments)
    try:
        installed = [_find(target) for target in TARGETS]
        if options.revert:
            return _revert(installed)
        return _patch(installed, options.check)
    except PatchError as error:
        print(f"Error: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"Error: {error.filename or sys.prefix} cannot be read or written "
            f"({error.strerror}). Nothing was changed. Run this as a user who may "
            "change the environment.",
            file=sys.stderr,
        )
    return FAILED


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="apply_patches.sh")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true")
    what.add_argument("--revert", action="store_true")
    return parser.parse_args(arguments)


def _find(target: Target) -> Installed:
    """Find a file without importing its package."""
    spec = util.find_spec(target.module)
    if spec is None or not spec.origin:
        raise PatchError(
            f"{sys.prefix} has no {target.distribution}. Name the environment of an "
            "InvenioRDM instance."
        )
    path = Path(spec.origin).parent.parent / target.path
    if not path.is_file():
        raise PatchError(
            f"{_label(target)} has no {path}, so this version cannot be patched. "
            "Nothing was changed."
        )
    return Installed(target, path, path.read_bytes())


def _patch(installed: Sequence[Installed], only_look: bool) -> int:
    """Patch the files that lack hooks."""
    changes = _all(_change_to, installed)
    _print_states(installed, changes)
    if not changes:
        print(f"Nothing to patch: {_labels(installed)} have the hooks.")
        return DONE
    if only_look:
        print(f"{len(changes)} of {len(installed)} files would be patched.")
        return TO_DO
    files.check_writable([change.path for change in changes])
    files.write(changes)
    print(f"Patched {len(changes)} files. Restart web and worker processes.")
    return DONE


def _change_to(file: Installed) -> files.FileChange | None:
    """Return the change that a file needs, or None."""
    text = _decode(file.content)
    if has_hooks(file.target, text):
        return None
    return files.FileChange(file.path, patched(file.target, text).encode())


def _revert(installed: Sequence[Installed]) -> int:
    """Restore the patched files from their backups."""
    to_restore = _all(_path_to_restore, installed)
    left_over = [
        rest
        for file in installed
        if not file.marked
        for rest in files.left_over(file.path)
    ]
    files.check_writable(to_restore + left_over)
    files.restore(to_restore)
    for path in left_over:
        path.unlink()
    if to_restore:
        print(f"Restored {len(to_restore)} files. Restart web and worker processes.")
    else:
        print("Nothing to restore: no file is patched.")
    return DONE


def _path_to_restore(file: Installed) -> Path | None:
    """Return the path of a patched file, or None for an unpatched one.

    Raises:
        UnknownCodeError: the backup is missing, or the file has changed since it was
            patched.
    """
    if not file.marked:
        return None
    backup = files.backup_of(file.path)
    again = f"Install {_label(file.target)} again instead"
    if not backup.exists():
        raise UnknownCodeError(f"its backup {backup} is missing. {again}")
    if patched(file.target, _decode(backup.read_bytes())).encode() != file.content:
        raise UnknownCodeError(f"it was changed after it was patched. {again}")
    return file.path


def _all(
    function: Callable[[Installed], _Result | None], installed: Iterable[Installed]
) -> list[_Result]:
    """Return the results of a function for all files, without None.

    Raises:
        PatchError: the function raised UnknownCodeError for one or more files.
    """
    results, refusals = [], []
    for file in installed:
        try:
            results.append(function(file))
        except UnknownCodeError as error:
            refusals.append(f"{file.path} of {_label(file.target)}: {error}.")
    if refusals:
        raise PatchError("\n".join([*refusals, "Nothing was changed."]))
    return [result for result in results if result is not None]


def _print_states(
    installed: Iterable[Installed], changes: Iterable[files.FileChange]
) -> None:
    """Print the state of every file."""
    print(f"{sys.prefix}:")
    lacking = {change.path for change in changes}
    for file in installed:
        state = "patched" if file.marked else "has hooks"
        print(f"  {file.path}: {'lacks hooks' if file.path in lacking else state}")


def _decode(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UnknownCodeError("it is not UTF-8 text") from None


def _label(target: Target) -> str:
    """Return the name and version of a target's package."""
    # Importing this takes a quarter of a run, and most runs print no version.
    from importlib import metadata

    try:
        return f"{target.distribution} {metadata.version(target.distribution)}"
    except metadata.PackageNotFoundError:
        return f"{target.distribution} of an unknown version"


def _labels(installed: Iterable[Installed]) -> str:
    return " and ".join(dict.fromkeys(_label(file.target) for file in installed))


if __name__ == "__main__":
    sys.exit(main())
