# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Configuration of the service."""

from invenio_records_resources.services import ServiceConfig
from invenio_records_resources.services.base.config import ConfiguratorMixin, FromConfig

from ..permissions import StatsDashboardPermissionPolicy
from .results import CommunityStatsItem, DailyDocuments


class CommunityStatsServiceConfig(ServiceConfig, ConfiguratorMixin):
    """Permission policy and results; create it with ``build(app)``."""

    service_id = "community-stats"
    permission_policy_cls = FromConfig(
        "STATS_DASHBOARD_PERMISSION_POLICY",
        default=StatsDashboardPermissionPolicy,
        import_string=True,
    )
    result_item_cls = CommunityStatsItem
    result_list_cls = DailyDocuments
