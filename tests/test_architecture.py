# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The walks through the code in docs/architecture.md agree with the code."""

import ast
import importlib
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "invenio_stats_dashboard"
ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text()

WALKS = {
    title: re.findall(r"^\d+\. `([\w.]+)`", walk, re.MULTILINE)
    for title, walk in re.findall(
        r"^### (.*?)\n(.*?)(?=^### |\Z)",
        TEXT.partition("\n## Walks through the code\n")[2].partition("\n## ")[0],
        re.MULTILINE | re.DOTALL,
    )
}
STEPS = sorted({step for steps in WALKS.values() for step in steps})


def layers():
    """Return the position of each folder or module, from top to bottom."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = config["tool"]["importlinter"]["contracts"]
    return {
        name: place
        for place, names in enumerate(contract["layers"])
        for name in names.split(" | ")
    }


LAYERS = layers()


@cache
def module_of(step):
    """Return the module of a step, and the names that lead from it to the function."""
    names = step.split(".")
    for end in range(len(names) - 1, 0, -1):
        try:
            module = importlib.import_module(".".join([PACKAGE, *names[:end]]))
        except ModuleNotFoundError:
            continue
        return module, names[end:]
    raise AssertionError(f"no module of {step} exists")


@cache
def source_of(step):
    """Return the source of a function or class."""
    module, names = module_of(step)
    source = Path(module.__file__).read_text()
    node = ast.parse(source)
    for name in names:
        found = [n for n in node.body if getattr(n, "name", None) == name]
        assert found, f"{step} does not exist"
        node = found[-1]
    return ast.get_source_segment(source, node)


def layer_of(step):
    """Return the position of the folder or module that a step is in."""
    return LAYERS[step.partition(".")[0]]


def names_it(caller, step):
    """Return whether the source of a caller contains the name of a step."""
    name = step.rpartition(".")[2]
    return re.search(rf"\b{name}\b", source_of(caller)) is not None


def test_the_table_of_the_layout_has_the_rows_of_the_contract():
    table = TEXT.partition("\n## Data flow\n")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    names = [re.findall(r"`(\w+)(?:/|\.py)`", row) for row in rows]
    assert {name: place for place, row in enumerate(names) for name in row} == LAYERS


def test_there_are_five_walks():
    assert len(WALKS) == 5
    assert min(map(len, WALKS.values())) > 10


@pytest.mark.parametrize("step", STEPS)
def test_a_step_exists(step):
    found, names = module_of(step)
    for name in names:
        found = getattr(found, name)


@pytest.mark.parametrize("title", WALKS)
def test_each_step_is_called_by_an_earlier_one_of_the_same_layer_or_above(title):
    steps = WALKS[title]
    not_called = [
        step
        for place, step in enumerate(steps)
        if place
        and not any(
            names_it(caller, step) and layer_of(caller) <= layer_of(step)
            for caller in steps[:place]
        )
    ]
    assert not_called == []


@pytest.mark.parametrize("title", WALKS)
def test_the_steps_of_a_walk_are_numbered_in_order(title):
    walk = TEXT.partition(f"\n### {title}\n")[2].partition("\n#")[0]
    numbers = [int(n) for n in re.findall(r"^(\d+)\. ", walk, re.MULTILINE)]
    assert numbers == list(range(1, len(WALKS[title]) + 1))
