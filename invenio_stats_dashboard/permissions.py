# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Permissions: who may read which statistics."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import current_app
from flask_principal import AnonymousIdentity, Identity
from invenio_access.permissions import any_user
from invenio_base.utils import obj_or_import_string
from invenio_communities.proxies import current_communities
from invenio_pidstore.errors import PIDDeletedError, PIDDoesNotExistError
from invenio_records_permissions.generators import AnyUser, Generator, SystemProcess
from invenio_records_permissions.policies import BasePermissionPolicy

from .errors import UsageError

if TYPE_CHECKING:
    from flask_principal import Need
    from invenio_communities.communities.records.api import Community

GLOBAL = "global"
"""Stands for the whole instance instead of a community."""

_LONGEST_NAME = 256


class CommunityReaders(Generator):
    """Allows everyone who may read the community by the policy of the site."""

    def needs(self, record: "Community | None" = None, **_: Any) -> Collection["Need"]:
        """Return the needs that the communities service requires for reading."""
        return _read_policy(record).needs

    def excludes(
        self, record: "Community | None" = None, **_: Any
    ) -> Collection["Need"]:
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


class NotReadableError(UsageError):
    """The community does not exist, or the identity may not read its statistics.

    The text does not reveal which, so that nobody can probe for hidden communities.
    """


class GlobalNotReadableError(UsageError):
    """The identity may not read the statistics of the instance."""


@dataclass(frozen=True)
class Subject:
    """The instance or the community whose statistics are read.

    Attributes:
        id: UUID of a community, or ``global``.
        slug: of the community; ``global`` for the instance.
        title: of the community; None for the instance.
        public: whether everyone may read the statistics.
    """

    id: str
    slug: str
    title: str | None
    public: bool


def readable_global(identity: Identity) -> Subject:
    """Return the instance, if an identity may read its statistics.

    Raises:
        GlobalNotReadableError: the identity may not read them.
    """
    if not _allows(identity, "read_global_stats"):
        raise GlobalNotReadableError(
            "You may not read the statistics of the whole instance."
        )
    return Subject(GLOBAL, GLOBAL, None, _allows(_anonymous(), "read_global_stats"))


def readable_community(identity: Identity, id_or_slug: str) -> Subject:
    """Return a community, if an identity may read its statistics.

    Raises:
        NotReadableError: the community does not exist, or the identity may not read
            its statistics; the text is the same.
    """
    community = _community(id_or_slug)
    if community is None or not _allows(
        identity, "read_community_stats", record=community
    ):
        raise NotReadableError(
            "There is no community of this name whose statistics you may read."
        )
    return Subject(
        id=str(community.id),
        slug=community.slug or str(community.id),
        title=community.metadata.get("title"),
        public=_allows(_anonymous(), "read_community_stats", record=community),
    )


def _allows(identity: Identity, action: str, **over: Any) -> bool:
    policy = obj_or_import_string(
        current_app.config["STATS_DASHBOARD_PERMISSION_POLICY"]
    )
    return policy(action, **over).allows(identity)


def _anonymous() -> Identity:
    identity = AnonymousIdentity()
    identity.provides.add(any_user)
    return identity


def _community(name: str) -> "Community | None":
    """Return a community, also a deleted one with a tombstone; None if none exists."""
    if not 0 < len(name) <= _LONGEST_NAME or not _storable(name):
        return None
    try:
        return current_communities.service.record_cls.pid.resolve(name)
    except (PIDDoesNotExistError, PIDDeletedError):
        return None


def _storable(name: str) -> bool:
    """Return whether the database accepts a text as a parameter of a query."""
    return "\x00" not in name and not any("\ud800" <= c <= "\udfff" for c in name)
