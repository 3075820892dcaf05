# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Statistics are read through the service, which checks the permission."""

from datetime import date

import pytest
import sqlalchemy as sa
from flask_principal import Identity
from invenio_access.permissions import any_user, authenticated_user, system_identity
from invenio_db import db
from invenio_records_permissions.generators import Disable
from invenio_records_resources.proxies import current_service_registry
from invenio_records_resources.services.errors import PermissionDeniedError

from invenio_stats_dashboard.community_events.database import DatabaseUnavailableError
from invenio_stats_dashboard.errors import (
    GlobalNotReadableError,
    NotReadableError,
    UsageError,
)
from invenio_stats_dashboard.ext import finalize_app
from invenio_stats_dashboard.permissions import (
    StatsDashboardPermissionPolicy,
    guest_identity,
)
from invenio_stats_dashboard.queries.query import SeriesQuery
from invenio_stats_dashboard.services import CommunityStatsService

from ..helpers import content
from ..helpers.commands import run

DAY = date(2026, 3, 5)
UNKNOWN = "There is no community of this name whose statistics you may read."


class NobodyMayRead(StatsDashboardPermissionPolicy):
    """Refuses everybody, also the system."""

    can_read_global_stats = [Disable()]
    can_read_community_stats = [Disable()]


@pytest.fixture()
def service(fresh):
    """Return the service of an instance without statistics, in a context."""
    with fresh.app_context():
        yield fresh.extensions["invenio-stats-dashboard"].community_stats_service


@pytest.fixture()
def refusing(fresh, monkeypatch):
    """Let the site's policy refuse everybody."""
    name = "STATS_DASHBOARD_PERMISSION_POLICY"
    monkeypatch.setitem(fresh.config, name, NobodyMayRead)


def stranger():
    """Return the identity of a user who belongs to no community."""
    identity = Identity(4711)
    identity.provides |= {any_user, authenticated_user}
    return identity


def test_the_service_is_in_the_registry_once(service, fresh):
    assert current_service_registry.get("community-stats") is service
    finalize_app(fresh)
    assert current_service_registry.get_service_id(service) == "community-stats"


def test_another_service_with_the_same_id_is_refused(service, fresh, monkeypatch):
    extension = fresh.extensions["invenio-stats-dashboard"]
    other = CommunityStatsService(service.config, fresh, None, dict)
    monkeypatch.setitem(vars(extension), "community_stats_service", other)
    with pytest.raises(RuntimeError, match="community-stats"):
        finalize_app(fresh)


@pytest.mark.parametrize("by", ["id", "slug"])
def test_a_restricted_community_is_unknown_to_those_who_may_not_see_it(service, by):
    id_ = content.make_community(restricted=True)
    name = id_ if by == "id" else content.slug_of(id_)
    for read in (service.read, service.read_community):
        item = read(system_identity, name)
        assert (item.id, item.subject.public) == (id_, False)
        for identity in (guest_identity(), stranger()):
            for which in (name, "never-was"):
                with pytest.raises(NotReadableError) as caught:
                    read(identity, which)
                assert str(caught.value) == UNKNOWN


def test_a_public_community_is_read_by_everybody(service):
    id_ = content.make_community()
    for identity in (guest_identity(), stranger(), system_identity):
        item = service.read(identity, id_)
        assert (item.id, item.subject.public) == (id_, True)


def test_the_instance_is_not_a_community_whose_slug_is_global(service):
    id_ = content.make_community(slug="global")
    assert service.read(guest_identity(), "global").id == "global"
    assert service.read_global(guest_identity()).id == "global"
    assert service.read_community(guest_identity(), "global").id == id_


def test_the_policy_of_the_configuration_decides(service, refusing):
    id_ = content.make_community()
    for identity in (guest_identity(), stranger(), system_identity):
        with pytest.raises(GlobalNotReadableError, match="of the whole instance"):
            service.read(identity, "global")
        with pytest.raises(NotReadableError):
            service.read(identity, id_)


def test_a_refusal_is_a_permission_error_of_invenio(service, refusing):
    for name in ("global", content.make_community()):
        with pytest.raises(PermissionDeniedError):
            service.read(guest_identity(), name)


def test_a_deleted_community_is_read_by_the_system_alone(service):
    id_ = content.make_community()
    content.delete_community(id_)
    assert service.read(system_identity, id_).id == id_
    for identity in (guest_identity(), stranger()):
        with pytest.raises(NotReadableError):
            service.read(identity, id_)


def test_an_error_for_the_system_names_the_unknown_community(service):
    with pytest.raises(UsageError, match="no community 'nobody'"):
        service.read(system_identity, "nobody")


def test_the_system_may_write_a_slug_in_capitals(service):
    id_ = content.make_community(slug="harbour")
    assert service.read(system_identity, "HARBOUR").id == id_


@pytest.mark.parametrize("name", ["", "x" * 300, "a\x00b", "\ud800"])
def test_a_name_that_the_database_cannot_store_is_unknown(service, name):
    with pytest.raises(NotReadableError):
        service.read(guest_identity(), name)


def test_an_item_answers_no_query_about_another_community(service):
    item = service.read_global(guest_identity())
    query = SeriesQuery(content.make_community(restricted=True), DAY, DAY)
    for read in (item.series, item.series_rows, item.freshness):
        with pytest.raises(ValueError, match="this item is about 'global'"):
            read(query)
    own = SeriesQuery("global", DAY, DAY)
    assert item.series(own).periods[0].series[0].total == 0


@pytest.mark.parametrize(
    "command",
    [
        ("read", "--family", "usage-delta"),
        ("counter-report", "--month", "2026-03"),
    ],
)
def test_commands_read_as_the_system(command, fresh, refusing):
    done = run(fresh, *command)
    assert done.exit_code == 2
    assert "You may not read the statistics of the whole instance." in done.err


def test_a_database_that_is_away_is_an_error_of_this_package(service, monkeypatch):
    away = sa.create_engine("postgresql+psycopg2://nobody@localhost:1/nothing")
    monkeypatch.setitem(db.engines, None, away)
    with pytest.raises(DatabaseUnavailableError, match="did not answer"):
        service.read_community(guest_identity(), "never-was")
