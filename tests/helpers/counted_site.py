# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A small instance with all kinds of communities and users, and its aggregates."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from invenio_access.models import ActionUsers
from invenio_access.permissions import superuser_access
from invenio_db import db

from invenio_stats_dashboard.services import (
    CommunityStatsService,
    CommunityStatsServiceConfig,
)

from ..aggregations.usage.build import Events
from . import content, reference
from .commands import run
from .http import Http
from .statistics import documents

TODAY = datetime.now(UTC).date()

HOSTILE = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tTab",
    "\rReturn",
    '"quoted", and; more',
    "<script>alert(1)</script>",
    "Zeile\nzwei",
    "Ökologie 🌍",
)
"""Subjects with characters that could break a table."""

DAYS = tuple(
    (TODAY - timedelta(days=n)).isoformat()
    for n in (400, 380, 366, 90, 40, 29, 3, 1, 0)
)
"""Days that have events."""


@dataclass(frozen=True)
class Site:
    """The instance.

    Attributes:
        app: its application.
        communities: name (open, closed, gone, global) -> UUID.
        slugs: the same names -> slug.
        users: name (owner, member, stranger, admin) -> id.
        wanted: family -> (community, day) -> document of the reference.
    """

    app: object = field(repr=False)
    communities: dict
    slugs: dict
    users: dict
    wanted: dict = field(repr=False)

    def as_(self, name):
        """Return a client; ``anyone`` is not logged in."""
        return Http(self.app, self.users.get(name))


def make_site(app, client, names):
    """Create the instance and aggregate everything.

    Args:
        app: an application with an empty database and no statistics.
        client: decodes responses.
        names: the instance's index names.
    """
    with app.app_context():
        users = {
            name: content.make_user()
            for name in ("owner", "member", "stranger", "admin")
        }
        _make_superuser(users["admin"].id)
        communities = {
            "open": content.make_community(users["owner"]),
            "closed": content.make_community(users["owner"], restricted=True),
            "gone": content.make_community(users["owner"]),
            "global": content.make_community(users["owner"], slug="global"),
        }
        for community in communities.values():
            content.add_member(community, users["owner"].id, "owner")
            content.add_member(community, users["member"].id, "reader")
        slugs = {name: content.slug_of(id_) for name, id_ in communities.items()}
        public = [id_ for name, id_ in communities.items() if name != "closed"]
        content.make_record(communities=public)
        content.make_record(communities=[communities["open"]], files={"a.csv": b"1,2"})
        content.make_record(
            communities=[communities["closed"]],
            access=content.RESTRICTED,
        )
        _write_events(Events(app, client, names), communities)
        content.delete_community(communities["gone"])
    for command in ("generate-community-events", "aggregate"):
        done = run(app, command)
        assert done.exit_code == 0, done.err
    return Site(
        app=app,
        communities=communities,
        slugs=slugs,
        users={name: identity.id for name, identity in users.items()},
        wanted=_wanted(app, client, names, {communities["closed"]}),
    )


def _make_superuser(user_id):
    from invenio_accounts.proxies import current_datastore

    user = current_datastore.get_user(user_id)
    db.session.add(ActionUsers.allow(superuser_access, user_id=user.id))
    db.session.commit()


def new_service(app, monkeypatch):
    """Give an application a new service, which reads its configuration again.

    Returns:
        CommunityStatsService: the service, also that of the resource.
    """
    extension = app.extensions["invenio-stats-dashboard"]
    service = CommunityStatsService(
        CommunityStatsServiceConfig.build(app),
        app,
        extension.event_reindexing_service,
        lambda: extension.subcounts,
    )
    monkeypatch.setitem(vars(extension), "community_stats_service", service)
    monkeypatch.setattr(extension.community_stats_resource, "service", service)
    return service


def remove_superusers():
    """Remove all superusers; needs an application context."""
    for row in ActionUsers.query_by_action(superuser_access).all():
        db.session.delete(row)
    db.session.commit()


def _write_events(events, communities):
    ids = list(communities.values())
    for number, community in enumerate((ids, ids[:1], ids[1:2])):
        described = {
            "resource_types": ["dataset"],
            "subjects": list(HOSTILE[number::2]),
            "languages": ["eng"],
        }
        for kind, each in (("view", 5 + number), ("download", 3)):
            events.days(
                DAYS[:: number + 1],
                each=each,
                kind=kind,
                first=100 * number,
                communities=community,
                subcounts=described,
            )


def _wanted(app, client, names, restricted):
    stored = {
        "views": names.events_alias("view"),
        "downloads": names.events_alias("download"),
        "facts": names.record_facts,
        "community_events": names.community_events,
    }
    sources = {
        part: [source for source, *_ in documents(client, index).values()]
        for part, index in stored.items()
    }
    return reference.aggregates(
        {**sources, "restricted": restricted},
        app.config["COMMUNITY_STATS_SUBCOUNTS"],
        TODAY.isoformat(),
        app.config["COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT"],
    )
