# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which events the site's aggregations count."""

import pytest

from invenio_stats_dashboard.aggregations.usage.event_filter import _query


@pytest.mark.parametrize("params", [{}, {"field": None}, {"field": ""}])
def test_an_aggregation_without_a_field_counts_as_the_stock_one(params):
    assert _query(params) == _query({"field": "unique_id"})
