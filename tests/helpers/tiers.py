# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The tiers of tests: ``unit``, ``component`` and ``system``.

A unit test needs no service. A component test needs the running services, or installs
packages. A system test kills a process, starts its own service or node, or opens a
browser. Each test gets its marker from the fixtures and helpers that it uses. A test
that does what its tier excludes fails with a sentence, so no test is in a tier by
mistake.
"""

import socket
from collections.abc import Iterator
from types import CodeType, FunctionType

import pytest

UNIT, COMPONENT, SYSTEM = TIERS = ("unit", "component", "system")

SERVICES = {"where", "website"}
"""Fixtures on which all others that use services depend."""

OF_A_SYSTEM = {"chromium", "website"}
"""Fixtures of system tests."""

KILLING_OR_STARTING = {
    *("kill", "kill_me", "killed_at", "SIGKILL", "SIGSTOP", "Frozen"),
    *("OwnServices", "RabbitMQ", "Cluster", "SiteWorker", "stock_worker"),
}
"""Names that only system tests use."""

_running = SYSTEM


def tier_of(item: pytest.Item) -> str:
    """Return the tier of a test: its marker, or the tier of what it uses."""
    for tier in TIERS:
        if item.get_closest_marker(tier):
            return tier
    fixtures = set(getattr(item, "fixturenames", ()))
    if fixtures & OF_A_SYSTEM:
        return SYSTEM
    if any(uses(function, KILLING_OR_STARTING) for function in _functions_of(item)):
        return SYSTEM
    return COMPONENT if fixtures & SERVICES else UNIT


def _functions_of(item: pytest.Item) -> Iterator[FunctionType]:
    """Yield the test's own function and those of its fixtures."""
    if hasattr(item, "function"):
        yield item.function
    fixtures = getattr(item, "_fixtureinfo", None)
    for definitions in fixtures.name2fixturedefs.values() if fixtures else ():
        yield definitions[-1].func


def mark(item: pytest.Item) -> None:
    """Give a test the marker of its tier."""
    item.add_marker(tier_of(item))


def uses(function: FunctionType, names: set[str]) -> bool:
    """Return whether a function uses a name, directly or through its module."""
    seen, waiting = set(), [function]
    while waiting:
        function = waiting.pop()
        # hypothesis and pytest wrap functions
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        code = getattr(function, "__code__", None)
        if code is None or code in seen:
            continue
        seen.add(code)
        found = set(_names_in(code))
        if found & names:
            return True
        here = function.__globals__
        for name in found:
            thing = here.get(name)
            if getattr(thing, "__module__", None) != function.__module__:
                continue
            if isinstance(thing, FunctionType):
                waiting.append(thing)
            elif isinstance(thing, type):
                waiting += filter(callable, vars(thing).values())
    return False


def _names_in(code: CodeType) -> Iterator[str]:
    """Yield the names in some code and in the functions that it defines."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def begin(tier: str) -> None:
    """Store the tier of the test that starts."""
    global _running
    _running = tier


def require_system(what: str) -> None:
    """Check that a system test is running.

    Args:
        what: what only a system test does, for the message.
    """
    assert (
        _running == SYSTEM
    ), f"A test that {what} is a system test: mark it with pytest.mark.system."


def refuse_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all connections fail to ports that this process does not own."""
    own = set()
    bind, connect = socket.socket.bind, socket.socket.connect

    def noted_bind(self, address):
        bind(self, address)
        if self.family != socket.AF_UNIX:
            own.add(self.getsockname()[1])

    def checked_connect(self, address):
        assert self.family == socket.AF_UNIX or address[1] in own, (
            f"A unit test connects to {address}: use a fixture that needs services, or "
            "mark the test with pytest.mark.component."
        )
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "bind", noted_bind)
    monkeypatch.setattr(socket.socket, "connect", checked_connect)
