# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Hunks are found by their text."""

import pytest

from invenio_stats_dashboard.patches.hunks import DoesNotFitError, Hunk, apply, parse

PATCH = """A word about it.

--- a/file
+++ b/file
@@ -7,2 +7,2 @@ one
 a

-b
+c
@@ -1,1 +1,2 @@ two
 d
+e
"""


def test_a_patch_is_read_hunk_by_hunk():
    assert parse(PATCH) == [
        Hunk("one", "a\n\nb\n", "a\n\nc\n"),
        Hunk("two", "d\n", "d\ne\n"),
    ]


def test_line_numbers_do_not_matter():
    assert apply("d\na\n\nb\n", parse(PATCH)) == "d\ne\na\n\nc\n"


@pytest.mark.parametrize(
    "text",
    ["d\n", "d\na\n\nb\na\n\nb\n", "d\na\n\nbb\n", "d\naa\n\nb\n", "d\na\n\nb"],
    ids=["absent", "twice", "line goes on", "line begins before", "no end of line"],
)
def test_old_lines_must_be_there_once_and_whole(text):
    with pytest.raises(DoesNotFitError, match="one"):
        apply(text, parse(PATCH))


def test_of_alternatives_exactly_one_must_fit():
    alternatives = [Hunk("x", "a\n", "A\n"), Hunk("x", "b\n", "B\n")]
    assert apply("b\n", alternatives) == "B\n"
    with pytest.raises(DoesNotFitError, match="x"):
        apply("a\nb\n", alternatives)
