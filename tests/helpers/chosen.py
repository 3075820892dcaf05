# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The tests that run with each supported version, not only with the one of a full run.

They exercise what depends on InvenioRDM, Polars and OpenSearch, and take a few minutes.
``python -m tests.helpers.chosen`` prints their files, as arguments for pytest.
"""

CHOSEN = {
    "migration": (
        "tests/migration/test_migrate.py",
        "tests/migration/test_readers.py",
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
        "tests/search/test_templates.py",
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
    "pages": ("tests/views/test_pages.py",),
    "processes": ("tests/test_startup.py", "tests/test_versions.py"),
}
"""Subject -> paths of files."""


def main() -> None:
    """Print one path a line."""
    print("\n".join(path for paths in CHOSEN.values() for path in paths))


if __name__ == "__main__":
    main()
