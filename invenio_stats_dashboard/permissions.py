# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Permissions: who may read which statistics."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask_principal import AnonymousIdentity, Identity, Need
from invenio_access.permissions import any_user
from invenio_communities.proxies import current_communities
from invenio_records_permissions.generators import AnyUser, Generator, SystemProcess
from invenio_records_permissions.policies import BasePermissionPolicy

if TYPE_CHECKING:
    from invenio_communities.communities.records.api import Community

GLOBAL = "global"
"""Stands for the whole instance instead of a community."""


class CommunityReaders(Generator):
    """Allows everyone who may read the community by the policy of the site."""

    def needs(self, record: "Community | None" = None, **_: Any) -> Collection[Need]:
        """Return the needs that the communities service requires for reading."""
        return _read_policy(record).needs

    def excludes(self, record: "Community | None" = None, **_: Any) -> Collection[Need]:
        """Return the needs that the communities service excludes from reading."""
        return _read_policy(record).excludes


def _read_policy(record: "Community") -> BasePermissionPolicy:
    # everyone can read a tombstone, but not the statistics of the deleted community
    action = "read_deleted" if record.deletion_status.is_deleted else "read"
    return current_communities.service.permission_policy(action, record=record)


class StatsDashboardPermissionPolicy(BasePermissionPolicy):
    """The default policy; ``STATS_DASHBOARD_PERMISSION_POLICY`` replaces it."""

    can_read_global_stats = [AnyUser(), SystemProcess()]

    can_read_community_stats = [CommunityReaders(), SystemProcess()]


def guest_identity() -> Identity:
    """Return the identity of a caller who is not logged in."""
    identity = AnonymousIdentity()
    identity.provides.add(any_user)
    return identity


@dataclass(frozen=True)
class Subject:
    """The instance or the community whose statistics are read.

    Attributes:
        id: UUID of a community, or ``global``.
        slug: slug of the community; ``global`` for the instance.
        title: title of the community; None for the instance.
        public: whether everyone may read the statistics.
    """

    id: str
    slug: str
    title: str | None
    public: bool
