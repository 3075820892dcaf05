# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures: an instance with a long history, to read from."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from invenio_stats_dashboard.aggregations.usage.value_limits import (
    OF_EVENTS,
    OF_RECORDS,
)

from ..conftest import remove_statistics
from ..helpers import reference
from ..helpers.histories import FILES, REFERRERS
from ..helpers.simulation import COMMUNITIES, World
from ..helpers.stored import StoredInstance

TOP = 2
"""Cells of a ``top`` breakdown in snapshots, few enough to be too few."""

MOST = (3, 3)
"""Values that a usage delta names, few enough that some are added up."""

FIRST, LAST = date(2023, 11, 20), date(2024, 4, 10)
"""Days on which something happens: an end of a year, a leap day."""

COUNTRIES = ("DE", "CA", "US", "US", "US", "FR", None)


def pytest_collection_modifyitems(items):
    """Run the modules first that read the same instance, so that it is made once."""
    folder = Path(__file__).parent
    places = [n for n, item in enumerate(items) if item.path.parent == folder]
    mine = [items[place] for place in places]
    reading = {item.path for item in mine if "instance" in item.fixturenames}
    for place, item in zip(
        places, sorted(mine, key=lambda item: item.path not in reading), strict=True
    ):
        items[place] = item


@pytest.fixture(scope="module")
def instance(app, client, names, prepared):
    """Return what is stored in an instance that was really aggregated."""

    def make():
        remove_statistics(client, names)
        stored = _busy_world().stored()
        StoredInstance(client, names).put(stored)
        service = app.extensions["invenio-stats-dashboard"].community_stats_service
        assert service.aggregate().completed
        return stored

    with pytest.MonkeyPatch.context() as patch, app.app_context():
        patch.setitem(app.config, "COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT", TOP)
        for name, most in zip((OF_EVENTS, OF_RECORDS), MOST, strict=True):
            patch.setitem(app.config, name, most)
        yield prepared.get(__name__, make)


@pytest.fixture(scope="module")
def documents(app, instance):
    """Return all documents that the reference counts, with all cells."""
    registry = app.config["COMMUNITY_STATS_SUBCOUNTS"]
    today = datetime.now(UTC).date().isoformat()
    return reference.aggregates(instance.sources(), registry, today, 10**6, MOST)


@pytest.fixture()
def service(app):
    """Return the service, in an application context."""
    with app.app_context():
        yield app.extensions["invenio-stats-dashboard"].community_stats_service


def _busy_world(seed=1):
    rng, world = random.Random(seed), World()
    days = (LAST - FIRST).days + 1
    for number in range(days):
        day = FIRST + timedelta(days=number)
        if rng.random() < 0.25:
            continue
        at = f"{day}T{rng.randrange(24):02d}:00:00"
        if rng.random() < 0.4 or not world.records:
            _publish(rng, world, at)
        recid = rng.choice(list(world.records))
        record = world.records[recid]
        if rng.random() < 0.1:
            members = world.members[record.parent]
            members ^= {rng.choice(COMMUNITIES)}
            for version in world.versions(record.parent):
                world.notice(version.facts["recid"], at)
        if rng.random() < 0.05:
            record.is_deleted = not record.is_deleted
            deleted = at if record.is_deleted else None
            world.edit(recid, is_deleted=record.is_deleted, deleted_date=deleted)
            world.notice(recid, at)
        for _ in range(rng.randrange(12)):
            _use(rng, world, day)
    return world


def _publish(rng, world, at):
    parent = None
    if world.members and rng.random() < 0.2:
        parent = rng.choice(list(world.members))
    subjects = rng.sample(("history", "Ökologie: Wald", "x", "cats", "dogs"), 3)
    world.publish(
        parent,
        at,
        rng.choice(("2023", "2024-02", at[:10], "2023-12-31/2024", None)),
        tuple(rng.sample(FILES, rng.randrange(3))),
        rng.choice(("1", "2", "3", None)),
        {
            "resource_types": (rng.choice(("dataset", "software", "other")),),
            "access_statuses": (rng.choice(("open", "restricted")),),
            "subjects": tuple(subjects[: rng.randrange(4)]),
            "affiliations": tuple(rng.sample(("01ggx4157", "CERN", "b", "c"), 2)),
        },
        frozenset(rng.sample(COMMUNITIES, rng.randrange(3))),
    )


def _use(rng, world, day):
    part = rng.choice(("view", "view", "download"))
    at = f"{day}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:00"
    id = world.use(
        part,
        rng.choice(list(world.records)),
        at,
        rng.choice(FILES),
        referrer=rng.choice(REFERRERS),
        via_api=rng.random() < 0.1,
        is_robot=rng.random() < 0.1,
        is_machine=rng.random() < 0.3,
        country=rng.choice(COUNTRIES),
        visitor_id=rng.choice(("ann", "bob", "eve", "joe", None)),
    )
    world.enrich(part, id)
