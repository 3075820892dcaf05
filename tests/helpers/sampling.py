# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run a sample of the combinations of kill point and kind of month.

A test that is marked ``pairs("kind")`` and takes a point and a kind of month runs once
for each point. A seed determines with which kind, so that over time all kinds are used.
The seed is printed at the start and can be given again; ``--all-kills`` runs all pairs.
"""

import os
import random
from collections import defaultdict
from collections.abc import Hashable

import pytest

PAIRS = "pairs"

_SEED = "TESTS_KILL_SEED"


def add_options(parser: pytest.Parser) -> None:
    """Add the options of the command line."""
    group = parser.getgroup("kills")
    group.addoption(
        "--all-kills",
        action="store_true",
        help="kill at each point in each kind of month, instead of in one kind",
    )
    group.addoption(
        "--kill-seed", type=int, metavar="N", help="repeat the choice of an earlier run"
    )


def choose_seed(config: pytest.Config) -> None:
    """Choose the seed in the first process; processes that it starts use the same."""
    given = config.getoption("--kill-seed")
    if given is not None:
        os.environ[_SEED] = str(given)
    os.environ.setdefault(_SEED, str(random.randrange(10_000)))


def header(config: pytest.Config) -> str:
    """Return the line that describes which pairs run."""
    if config.getoption("--all-kills"):
        return "kills: at each point in each kind of month"
    return f"kills: seed {os.environ[_SEED]} (--kill-seed, --all-kills)"


def leave_out(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests that this run leaves out."""
    tests: dict[str, dict[Hashable, dict[Hashable, pytest.Item]]] = {}
    for item in items:
        if marker := item.get_closest_marker(PAIRS):
            values = item.callspec.params  # type: ignore[attr-defined]
            sampled = tuple(values[name] for name in marker.args)
            rest = tuple(v for k, v in values.items() if k not in marker.args)
            name = item.nodeid.partition("[")[0]
            points = tests.setdefault(name, defaultdict(dict))
            points[rest][sampled] = item
    return [
        item for name, points in tests.items() for item in _not_chosen(name, points)
    ]


def _not_chosen(
    name: str, points: dict[Hashable, dict[Hashable, pytest.Item]]
) -> list[pytest.Item]:
    """Choose one item of each point, each kind equally often; return the others."""
    rng = random.Random(f"{os.environ[_SEED]} {name}")
    taken: dict[Hashable, int] = defaultdict(int)
    left_out = []
    # points with few kinds choose first; the others balance the counts
    for found in sorted(points.values(), key=len):
        kinds = sorted(found, key=str)
        rng.shuffle(kinds)
        chosen = min(kinds, key=taken.__getitem__)
        taken[chosen] += 1
        left_out += [item for kind, item in found.items() if kind != chosen]
    return left_out
