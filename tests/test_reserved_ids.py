# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Values from outside never get an id that the package assigns to something else."""

import pytest

from invenio_stats_dashboard.queries.labels import Labels
from invenio_stats_dashboard.reserved_ids import HIDDEN, OTHER, RESERVED, id_of, ids_of


@pytest.mark.parametrize("value", [*sorted(RESERVED), "", None])
def test_a_reserved_or_missing_value_is_unknown(value):
    assert id_of(value) == "unknown"


@pytest.mark.parametrize("value", ["other", "hidden", "_Other", "_other ", "unknown"])
def test_any_other_value_is_its_own_id(value):
    assert id_of(value) == value


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (None, ("unknown",)),
        ([], ("unknown",)),
        (["b", "a", "b"], ("b", "a")),
        ([OTHER, "a", HIDDEN], ("unknown", "a")),
        (["unknown", OTHER], ("unknown",)),
    ],
)
def test_a_record_counts_once_for_each_of_its_ids(values, ids):
    assert ids_of(values) == ids


def test_the_sum_of_other_values_has_a_label(app):
    with app.app_context():
        assert Labels({}).of("referrers", [OTHER], "en") == {OTHER: "Others"}
