# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The face of the package to code."""

from .community_stats import CommunityStatsService
from .event_reindexing import EventReindexingService

__all__ = ("CommunityStatsService", "EventReindexingService")
