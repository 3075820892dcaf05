# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Differences between versions of InvenioRDM in the set-up of tests."""

import sqlalchemy as sa

from invenio_stats_dashboard.community_events.database_indexes import (
    INDEXES,
    REQUIRED,
    DatabaseIndexes,
)


def create_later_indexes(engine: sa.Engine) -> None:
    """Create the indexes that InvenioRDM 14 has and an older version lacks.

    They have names of the site, so that tests find the same in all versions: indexes that
    the package uses and never removes.
    """
    statuses = zip(INDEXES, DatabaseIndexes(engine).statuses(), strict=True)
    for definition, status in statuses:
        if definition in REQUIRED and not status.exists:
            name = f"ix_site_{definition.table}_{definition.key}"
            with engine.begin() as connection:
                connection.exec_driver_sql(
                    f"CREATE INDEX {name} ON {definition.table} ({definition.key})"
                )
