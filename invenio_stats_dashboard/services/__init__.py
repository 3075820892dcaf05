# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The services: the entry points for commands, tasks, the REST API and other code."""

from .community_stats import CommunityStatsService
from .config import CommunityStatsServiceConfig
from .event_reindexing import EventReindexingService

__all__ = (
    "CommunityStatsService",
    "CommunityStatsServiceConfig",
    "EventReindexingService",
)
