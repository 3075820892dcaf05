# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The files that need hooks, and a check of their code for the hooks."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import hunks

MARK = "put in by invenio-stats-dashboard"
"""Text that every patch writes into a comment."""


class UnknownCodeError(Exception):
    """A file does not have the hooks and cannot be patched."""


@dataclass(frozen=True)
class Target:
    """A file that has the hooks or needs them.

    Attributes:
        distribution: name of the package on PyPI.
        path: path of the file, below ``site-packages``.
        patch: name of its patch.
        class_name: the class that has the hooks.
        hooks: the actions that a service must pass to ``self.run_components``, each
            with its alternative names. Empty for a configuration.
        setting: the variable of a configuration from which ``components`` is read.
            Empty for a service.
    """

    distribution: str
    path: str
    patch: str
    class_name: str
    hooks: tuple[tuple[str, ...], ...] = ()
    setting: str = ""

    @property
    def module(self) -> str:
        """Return the import name of the package."""
        return self.distribution.replace("-", "_")


# A configuration comes before its service. Components that no service runs do no
# harm, but a service that runs components needs a configuration that has them.
TARGETS = (
    Target(
        "invenio-rdm-records",
        "invenio_rdm_records/services/config.py",
        "record-communities-config.patch",
        "RDMRecordCommunitiesConfig",
        setting="RDM_RECORD_COMMUNITIES_SERVICE_COMPONENTS",
    ),
    Target(
        "invenio-rdm-records",
        "invenio_rdm_records/services/communities/service.py",
        "record-communities-service.patch",
        "RecordCommunitiesService",
        hooks=(
            ("add_community",),
            ("remove_community", "remove_community_from_record"),
            ("set_default",),
            ("bulk_add",),
        ),
    ),
    Target(
        "invenio-requests",
        "invenio_requests/services/events/config.py",
        "request-events-config.patch",
        "RequestEventsServiceConfig",
        setting="REQUESTS_EVENTS_SERVICE_COMPONENTS",
    ),
    Target(
        "invenio-requests",
        "invenio_requests/services/events/service.py",
        "request-events-service.patch",
        "RequestEventsService",
        hooks=(("create",), ("update_comment",), ("delete_comment",)),
    ),
)


def has_hooks(target: Target, text: str) -> bool:
    """Return whether the code of a file has all hooks.

    Args:
        target: the hooks.
        text: the code.

    Returns:
        True if the code has all hooks, False if it has none.

    Raises:
        UnknownCodeError: the code has only some of the hooks, or components of its
            own, or is not the expected code.
    """
    found, missing = _look(target, text)
    if found and missing:
        raise UnknownCodeError(
            f"its {target.class_name} has {_list(found)}, but not {_list(missing)}"
        )
    return not missing


def patched(target: Target, text: str) -> str:
    """Return the code of a file without hooks, with the hooks added.

    Raises:
        UnknownCodeError: the code differs from all known versions.
    """
    patch = (Path(__file__).parent / target.patch).read_text("utf-8")
    try:
        new = hunks.apply(text, hunks.parse(patch))
    except hunks.DoesNotFitError as error:
        raise UnknownCodeError(
            f"its {target.class_name} differs from all known versions where the hook "
            f"'{error}' belongs"
        ) from None
    if not has_hooks(target, new):
        raise UnknownCodeError("the patch fits, but adds no hooks")
    return new


def _look(target: Target, text: str) -> tuple[list[str], list[str]]:
    """Return the hooks that a file has and those that it lacks."""
    body = _class(target, text)
    if target.setting:
        return _look_for_setting(target.setting, body)
    called = {_component_call(node) for node in ast.walk(body)} - {None}
    found = [names[0] for names in target.hooks if called & set(names)]
    missing = [names[0] for names in target.hooks if not called & set(names)]
    return found, missing


def _look_for_setting(setting: str, body: ast.ClassDef) -> tuple[list[str], list[str]]:
    values = [
        node.value
        for node in body.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and "components" in _names_of(node)
        and node.value is not None
    ]
    if not values:
        return [], [setting]
    constants = {n.value for n in ast.walk(values[-1]) if isinstance(n, ast.Constant)}
    if setting in constants:
        return [setting], []
    return ["components of its own"], [setting]


def _class(target: Target, text: str) -> ast.ClassDef:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise UnknownCodeError(f"it is not Python code ({error})") from None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == target.class_name:
            return node
    raise UnknownCodeError(f"it has no class {target.class_name}")


def _names_of(assignment: ast.Assign | ast.AnnAssign) -> set[str]:
    targets: Sequence[ast.expr]
    if isinstance(assignment, ast.Assign):
        targets = assignment.targets
    else:
        targets = [assignment.target]
    return {node.id for node in targets if isinstance(node, ast.Name)}


def _component_call(node: ast.AST) -> object:
    """Return the action that a node passes to ``run_components``, or None."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run_components"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ):
        return node.args[0].value
    return None


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
