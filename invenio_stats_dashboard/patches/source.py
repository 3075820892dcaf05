# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading and changing source text; no file is touched here."""

from __future__ import annotations

import ast
import hashlib
import io
import re
from textwrap import indent

from shapes import Edit, Target

SEAL = re.compile(
    rb"# patched by invenio-stats-dashboard;"
    rb" sha256 of the original: ([0-9a-f]{64}), of all above: ([0-9a-f]{64})\r?\n\Z"
)


class UnknownShapeError(Exception):
    """The source is neither hooked nor one that can be given hooks."""


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def parse(data: bytes) -> tuple[ast.Module, list[str]]:
    """Return the syntax tree of a file and its lines with their ends.

    Raises:
        UnknownShapeError: It is not Python in UTF-8.
    """
    try:
        text = data.decode("utf-8")
        tree = ast.parse(text)
    except ValueError as error:  # what decode and parse raise; also null bytes
        raise UnknownShapeError(f"cannot be read as Python ({error})") from error
    except SyntaxError as error:
        raise UnknownShapeError(f"is not valid Python ({error})") from error
    return tree, list(io.StringIO(text, newline="\n"))


def find_class(tree: ast.Module, name: str) -> ast.ClassDef:
    """Return the one class of that name at the top of a module.

    Raises:
        UnknownShapeError: There is none, or more than one.
    """
    found = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
    if len(found) != 1:
        raise UnknownShapeError(f"has {len(found)} classes {name} instead of one")
    return found[0]


def find_members(cls: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    """Return the methods of a class by name."""
    return {n.name: n for n in cls.body if isinstance(n, ast.FunctionDef)}


def span(node: ast.ClassDef | ast.FunctionDef) -> range:
    """Return the numbers, from 0, of the lines of a class or method with decorators."""
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return range(first - 1, node.end_lineno)


def shape(target: Target, data: bytes) -> str:
    """Return the SHA-256 of the members that a target is recognised by.

    Raises:
        UnknownShapeError: The class cannot be found.
    """
    tree, lines = parse(data)
    cls = find_class(tree, target.cls)
    members = find_members(cls)
    nodes = [members[m] for m in target.members if m in members] or [cls]
    text = [lines[number].rstrip() for node in nodes for number in span(node)]
    return digest("\n".join(text).encode("utf-8"))


def runs(node: ast.FunctionDef, names: tuple[str, ...]) -> bool:
    """Return whether a method calls ``self.run_components`` with one of the names."""
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "run_components"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and call.args[0].value in names
        for call in ast.walk(node)
    )


def reads(cls: ast.ClassDef, setting: str) -> bool:
    """Return whether ``components`` of a class comes from a config variable."""
    return any(
        isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == "components" for t in node.targets)
        and any(
            isinstance(part, ast.Constant) and part.value == setting
            for part in ast.walk(node.value)
        )
        for node in cls.body
    )


def is_hooked(target: Target, data: bytes) -> bool:
    """Return whether the class has every hook that its methods call for.

    Raises:
        UnknownShapeError: The class cannot be found, or has none of the methods.
    """
    cls = find_class(parse(data)[0], target.cls)
    if target.setting:
        return reads(cls, target.setting)
    members = find_members(cls)
    present = {m: names for m, names in target.hooks.items() if m in members}
    if not present:
        raise UnknownShapeError(f"has none of the methods of {target.cls} looked for")
    return all(runs(members[m], names) for m, names in present.items())


def edit_lines(lines: list[str], where: range, edit: Edit) -> None:
    """Carry out one edit, in place, within the lines of its member.

    Raises:
        UnknownShapeError: The anchor is not there exactly once.
    """
    found = [n for n in where if lines[n].strip() == edit.anchor]
    if len(found) != 1:
        raise UnknownShapeError(f"has {len(found)} lines {edit.anchor!r}, not one")
    line = lines[found[0]]
    end = line[len(line.rstrip("\r\n")) :]
    margin = line[: len(line) - len(line.lstrip())]
    text = indent(edit.text, margin).replace("\n", end) + end
    lines[found[0]] = {"before": text + line, "after": line + text}.get(
        edit.place, text
    )


def patch(target: Target, original: bytes) -> bytes:
    """Return the file with hooks, and with a last line that seals it.

    Raises:
        UnknownShapeError: It is not a known shape, or the result would not be sound.
    """
    edits = target.shapes.get(shape(target, original))
    if edits is None:
        raise UnknownShapeError(
            f"has no component hooks, but its {target.cls} is of no known version"
        )
    tree, lines = parse(original)
    cls = find_class(tree, target.cls)
    members = find_members(cls)
    # An edit keeps the number of entries, so that the numbers of lines stay right.
    for edit in edits:
        edit_lines(lines, span(members[edit.member] if edit.member else cls), edit)
    body = "".join(lines).encode("utf-8")
    if not body.endswith(b"\n"):
        body += b"\n"
    compile(body, target.path, "exec")
    if not is_hooked(target, body):
        raise UnknownShapeError("would not have its hooks after patching")
    seal = (
        "# patched by invenio-stats-dashboard; sha256 of the original:"
        f" {digest(original)}, of all above: {digest(body)}\n"
    )
    return body + seal.encode("ascii")


def sealed_original(data: bytes) -> str | None:
    """Return the SHA-256 of the original of a patched file, None if it is not patched.

    Raises:
        UnknownShapeError: It was changed after it was patched.
    """
    found = SEAL.search(data)
    if not found:
        if b"added by invenio-stats-dashboard" in data:
            raise UnknownShapeError("was patched and then changed by somebody")
        return None
    if digest(data[: found.start()]) != found.group(2).decode("ascii"):
        raise UnknownShapeError("was patched and then changed by somebody")
    return found.group(1).decode("ascii")
