# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Code with hooks is distinguished from code without, in any style."""

import pytest

from invenio_stats_dashboard.patches.targets import TARGETS, UnknownCodeError, has_hooks

CONFIG = next(target for target in TARGETS if target.setting)


def code(*lines):
    """Return the code of a configuration with these lines."""
    return "\n    ".join([f"class {CONFIG.class_name}:", "name = 'x'", *lines])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), False),
        (("components: list",), False),
        ((f"components = FromConfig('{CONFIG.setting}')",), True),
        ((f"components: list = FromConfig('{CONFIG.setting}')",), True),
        (("components: list", f"components = FromConfig('{CONFIG.setting}')"), True),
    ],
)
def test_components_come_from_the_setting_or_do_not(lines, expected):
    assert has_hooks(CONFIG, code(*lines)) is expected


def test_components_of_its_own_are_unknown_code():
    with pytest.raises(UnknownCodeError, match="components of its own"):
        has_hooks(CONFIG, code("components = [Other]"))
