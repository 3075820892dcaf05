# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which files hold the hooks, and whether a file has them: asked of its code."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from . import hunks

MARK = "put in by invenio-stats-dashboard"
"""What every patch writes into a comment."""


class UnknownCodeError(Exception):
    """A file is neither one with hooks nor one that can be given them."""


@dataclass(frozen=True)
class Target:
    """A file that has hooks or gets them.

    Attributes:
        distribution: name of the package on PyPI.
        path: of the file, below ``site-packages``.
        patch: name of the patch for it.
        class_name: the class that has the hooks.
        hooks: of a service, what it must call ``self.run_components`` with, each
            with its other names; empty for a configuration.
        setting: of a configuration, the variable that ``components`` is read from.
    """

    distribution: str
    path: str
    patch: str
    class_name: str
    hooks: tuple = ()
    setting: str = ""

    @property
    def module(self):
        """Return the name that the package is imported by."""
        return self.distribution.replace("-", "_")


# A configuration comes before its service: components that nobody runs do no
# harm, while a service that runs components needs to have some configured.
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


def has_hooks(target, text):
    """Return whether the code of a file has all the hooks.

    Args:
        target: what to look for.
        text: the code.

    Returns:
        bool: False, if it has none of them.

    Raises:
        UnknownCodeError: it has some, or others, or is no such file.
    """
    found, missing = _look(target, text)
    if found and missing:
        raise UnknownCodeError(
            f"its {target.class_name} has {_list(found)}, but not {_list(missing)}"
        )
    return not missing


def patched(target, text):
    """Return the code of a file that has no hooks with hooks.

    Raises:
        UnknownCodeError: it is not as any known version has it.
    """
    patch = (Path(__file__).parent / target.patch).read_text("utf-8")
    try:
        new = hunks.apply(text, hunks.parse(patch))
    except hunks.DoesNotFitError as error:
        raise UnknownCodeError(
            f"its {target.class_name} is not as any known version has it, where the "
            f"hook '{error}' belongs"
        ) from None
    if not has_hooks(target, new):
        raise UnknownCodeError("the patch fits, but gives it no hooks")
    return new


def _look(target, text):
    """Return the hooks that a file has and those that it lacks."""
    body = _class(target, text)
    if target.setting:
        return _look_for_setting(target.setting, body)
    called = {_component_call(node) for node in ast.walk(body)} - {None}
    found = [names[0] for names in target.hooks if called & set(names)]
    missing = [names[0] for names in target.hooks if not called & set(names)]
    return found, missing


def _look_for_setting(setting, body):
    values = [
        node.value
        for node in body.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and "components" in _names_of(node)
    ]
    if not values:
        return [], [setting]
    constants = {n.value for n in ast.walk(values[-1]) if isinstance(n, ast.Constant)}
    if setting in constants:
        return [setting], []
    return ["components of its own"], [setting]


def _class(target, text):
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise UnknownCodeError(f"it is no Python code ({error})") from None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == target.class_name:
            return node
    raise UnknownCodeError(f"it has no class {target.class_name}")


def _names_of(assignment):
    targets = getattr(assignment, "targets", None) or [assignment.target]
    return {node.id for node in targets if isinstance(node, ast.Name)}


def _component_call(node):
    """Return the hook that a node of code calls, or None."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run_components"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ):
        return node.args[0].value
    return None


def _list(names):
    return ", ".join(names)
