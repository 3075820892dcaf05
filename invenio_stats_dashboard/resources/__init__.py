# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The REST resource: answer HTTP queries with JSON, CSV or XLSX."""

from .config import CommunityStatsResourceConfig
from .resource import CommunityStatsResource

__all__ = ("CommunityStatsResource", "CommunityStatsResourceConfig")
