# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Who may read which numbers."""

from dataclasses import dataclass

from flask import current_app
from flask_principal import AnonymousIdentity
from invenio_access.permissions import any_user
from invenio_base.utils import obj_or_import_string
from invenio_communities.proxies import current_communities
from invenio_pidstore.errors import PIDDeletedError, PIDDoesNotExistError
from invenio_records_permissions.generators import AnyUser, Generator, SystemProcess
from invenio_records_permissions.policies import BasePermissionPolicy

from .errors import UsageError

GLOBAL = "global"
"""Names the numbers of the whole instance."""

_LONGEST_NAME = 256


class CommunityReaders(Generator):
    """Whoever can read the community, as the site's own policy says."""

    def needs(self, record=None, **_):
        """Return what the communities service asks for."""
        return _read_policy(record).needs

    def excludes(self, record=None, **_):
        """Return what the communities service excludes."""
        return _read_policy(record).excludes


def _read_policy(record):
    # a tombstone can be read by anyone, the numbers behind it cannot
    action = "read_deleted" if record.deletion_status.is_deleted else "read"
    return current_communities.service.permission_policy(action, record=record)


class StatsDashboardPermissionPolicy(BasePermissionPolicy):
    """What a site can change by ``STATS_DASHBOARD_PERMISSION_POLICY``."""

    can_read_global_stats = [AnyUser(), SystemProcess()]

    can_read_community_stats = [CommunityReaders(), SystemProcess()]


class NotReadableError(UsageError):
    """There are no such numbers, or not for whoever asks; which, is not told."""


class GlobalNotReadableError(UsageError):
    """The numbers of the instance are there, but not for whoever asks."""


@dataclass(frozen=True)
class Subject:
    """Whose numbers are read.

    Attributes:
        id: UUID of a community, or ``global``.
        slug: of the community; ``global`` for the instance.
        title: of the community; None for the instance.
        public: whether everyone may read them.
    """

    id: str
    slug: str
    title: str | None
    public: bool


def readable_global(identity):
    """Return the instance as a :class:`Subject`.

    Args:
        identity: of whoever asks.

    Raises:
        GlobalNotReadableError: they may not read its numbers.
    """
    if not _allows(identity, "read_global_stats"):
        raise GlobalNotReadableError(
            "You may not read the statistics of the whole instance."
        )
    return Subject(GLOBAL, GLOBAL, None, _allows(_anonymous(), "read_global_stats"))


def readable_community(identity, id_or_slug):
    """Return a community as a :class:`Subject`.

    Args:
        identity: of whoever asks.
        id_or_slug: UUID or slug of the community.

    Raises:
        NotReadableError: there is none, or they may not read its numbers; the sentence
            is the same.
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


def _allows(identity, action, **over):
    policy = obj_or_import_string(
        current_app.config["STATS_DASHBOARD_PERMISSION_POLICY"]
    )
    return policy(action, **over).allows(identity)


def _anonymous():
    identity = AnonymousIdentity()
    identity.provides.add(any_user)
    return identity


def _community(name):
    """Return a community, maybe one with a tombstone, or None."""
    if not 0 < len(name) <= _LONGEST_NAME or not _storable(name):
        return None
    try:
        return current_communities.service.record_cls.pid.resolve(name)
    except (PIDDoesNotExistError, PIDDeletedError):
        return None


def _storable(name):
    """Tell whether the database can be asked for a text."""
    return "\x00" not in name and not any("\ud800" <= c <= "\udfff" for c in name)
