# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The documentation names every command, option and config variable correctly."""

import re
import shlex
from pathlib import Path

import click
import pytest

from invenio_stats_dashboard import config, config_validation
from invenio_stats_dashboard.cli import community_stats

DOCS = Path(__file__).parent.parent / "docs"
TEXT = "\n".join(path.read_text() for path in sorted(DOCS.glob("*.md")))

VARIABLES = [
    name for name in dir(config) if name.startswith(("COMMUNITY_", "STATS_DASHBOARD_"))
]


def commands(group, path=""):
    """Yield name and command of everything below a group."""
    for name, command in sorted(group.commands.items()):
        full = f"{path} {name}".strip()
        if isinstance(command, click.Group):
            yield from commands(command, full)
        else:
            yield full, command


COMMANDS = dict(commands(community_stats))

BLOCK = re.compile(r"^ *```(?:console|shell)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
PROGRAM = "invenio community-stats "


def documented_command_lines():
    """Yield page and arguments of each command of this package in a code block."""
    for page in [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]:
        for block in BLOCK.findall(page.read_text()):
            for line in block.splitlines():
                line = line.strip().removeprefix("$ ").partition(" > ")[0]
                if line.startswith(PROGRAM):
                    words = shlex.split(line.removeprefix(PROGRAM), comments=True)
                    yield page.name, " ".join(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_and_its_options_are_documented(name):
    assert f"`{name}`" in TEXT
    options = [
        option
        for parameter in COMMANDS[name].params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    ]
    missing = [o for o in options if not re.search(re.escape(o) + r"(?![\w-])", TEXT)]
    assert missing == []


@pytest.mark.parametrize("name", COMMANDS)
def test_command_and_its_options_explain_themselves(name):
    assert COMMANDS[name].help
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", "no option"), parameter.name


@pytest.mark.parametrize("name", VARIABLES)
def test_config_variable_is_documented(name):
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize(
    "name", [n for n in VARIABLES if n != "COMMUNITY_STATS_SUBCOUNTS"]
)
def test_config_variable_is_checked_at_start(name):
    assert name in config_validation.CHECKS


def test_documented_config_variables_exist():
    found = set(re.findall(r"`((?:COMMUNITY_STATS|STATS_DASHBOARD)_[A-Z_]+)`", TEXT))
    assert found <= set(VARIABLES)


@pytest.mark.parametrize(("page", "line"), documented_command_lines())
def test_documented_command_line_is_valid(page, line):
    command, name, words = community_stats, "", line.split()
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
    command.make_context(name, words)
