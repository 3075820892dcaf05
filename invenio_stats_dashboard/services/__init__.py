# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The face of the package to code."""

from ..usage_events.migration.service import EventReindexingService
from .community_stats import CommunityStatsService

__all__ = ("CommunityStatsService", "EventReindexingService")
