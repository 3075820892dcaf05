# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The tests that run with each supported version, not only with the one of a full run.

They exercise what depends on InvenioRDM, Polars and OpenSearch, and take a few minutes.
``python -m tests.helpers.chosen`` prints them, as arguments for pytest.
"""

CHOSEN = {
    "migration": (
        "tests/migration/test_migrate.py",
        "tests/migration/test_disabled.py",
    ),
    "community events": (
        "tests/community_events/test_backfill.py",
        "tests/community_events/test_live_capture.py",
        "tests/community_events/test_plans.py",
    ),
    "live indexer": (
        "tests/usage_events/test_indexer.py",
        "tests/usage_events/test_enrichment.py",
        "tests/usage_events/test_queues.py",
    ),
    "aggregation": (
        "tests/aggregations/test_reference_as_stock.py",
        "tests/aggregations/test_taken_over.py",
        "tests/aggregations/records/test_dates.py",
        "tests/aggregations/records/test_from_services.py",
        "tests/aggregations/usage/test_usage_rules.py",
    ),
    "API": (
        "tests/resources/test_answers.py",
        "tests/resources/test_documented_examples.py",
        "tests/resources/test_parameters.py",
        "tests/resources/test_registered.py",
    ),
    "pages": ("tests/views/test_unbuilt.py",),
    "processes": (
        "tests/test_startup.py::test_entry_points_import_nothing_that_counts",
        "tests/test_versions.py::test_every_module_can_be_imported",
    ),
}
"""Subject -> files, or single tests of them."""


def main() -> None:
    """Print one a line."""
    print("\n".join(test for tests in CHOSEN.values() for test in tests))


if __name__ == "__main__":
    main()
