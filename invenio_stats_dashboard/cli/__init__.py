# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The command line: ``invenio community-stats …``."""

import click

from .aggregates import aggregate
from .community_events import community_events, generate_community_events
from .counter import counter_report
from .database_indexes import database_indexes
from .status import status
from .stored import clear_bookmarks, destroy_indices, read_documents
from .usage_events import migrate_events, usage_events


@click.group("community-stats")
def community_stats() -> None:
    """Count, inspect and maintain the statistics of communities."""


community_stats.add_command(community_events)
community_stats.add_command(generate_community_events)
community_stats.add_command(database_indexes)
community_stats.add_command(usage_events)
community_stats.add_command(migrate_events)
community_stats.add_command(aggregate)
community_stats.add_command(status)
community_stats.add_command(read_documents)
community_stats.add_command(counter_report)
community_stats.add_command(clear_bookmarks)
community_stats.add_command(destroy_indices)
