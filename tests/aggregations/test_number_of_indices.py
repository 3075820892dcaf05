# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The number of indices of this package is bounded on sites of different sizes."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from invenio_stats_dashboard.community_events.documents import GLOBAL
from invenio_stats_dashboard.search.names import FAMILIES, INTERNAL, META_KEY
from invenio_stats_dashboard.usage_events import dead_letters
from invenio_stats_dashboard.usage_events.redelivery_journal import Journal

from .records.conftest import Known
from .usage.build import Events

LARGE = 40
"""Maximum number of indices of a large site."""

MANY = LARGE + 20
"""More communities, and more years, than a large site may have indices.

An index for each of them would therefore exceed the bound, as with a thousand.
"""


class Site:
    """A site with records in communities, their usage, and everything around them.

    Args:
        known: stores records, a :class:`~.records.conftest.Known`.
        events: stores usage, a :class:`~.usage.build.Events`.
        communities: number of communities.
        days: number of days that the site has existed, up to today.
    """

    def __init__(self, known, events, communities, days):
        self.known, self.events, self._rng = known, events, random.Random(1)
        self.communities = [
            f"{n:08d}-0000-4000-8000-000000000000" for n in range(communities)
        ]
        self._last = datetime.now(UTC).replace(hour=12, microsecond=0, tzinfo=None)
        self._days = days

    def records(self, number, first_year):
        """Store records of all days, published from a year on."""
        facts, happened = [], []
        for n in range(number):
            created = self._last - timedelta(days=self._days * (1 - n / number))
            facts.append(
                {
                    "recid": f"r{n}",
                    "parent_id": f"parent of r{n}",
                    "created": created.isoformat(),
                    "published": str(self._rng.randint(first_year, created.year)),
                    "subcounts": {"subjects": [f"subject {n % 50}"]},
                    "file_count": n % 3,
                    "data_volume": n % 3 * 1000,
                    "owner": f"{n % 20}",
                }
            )
            for community in (GLOBAL, self.communities[n % len(self.communities)]):
                happened.append(
                    {
                        "recid": f"r{n}",
                        "community_id": community,
                        "place": 1,
                        "event_type": "added",
                        "event_date": created.isoformat(),
                    }
                )
        self.known.put(*facts)
        self.known.happen(*happened)

    def usage(self, number):
        """Store events on a number of days."""
        for n in range(number):
            day = self._last - timedelta(days=self._days * (1 - n / number))
            inside = self._rng.sample(
                self.communities, k=min(20, len(self.communities))
            )
            for kind in ("view", "download"):
                self.events.days(
                    [day.date().isoformat()], 2, kind, first=n, communities=inside
                )

    def work(self):
        """Do work that writes to each of the other indices."""
        app, names = self.events.app, self.events.names
        head = {"_index": "a", "_id": "b", "_op_type": "index"}
        dead_letters.keep(self.known.text, names, [(head, b"{}", "refused")])
        journal = Journal(self.known.client, names, "queue", "secret", 10, pytest.fail)
        journal.note({"digest": ("index", "id")})
        service = app.extensions["invenio-stats-dashboard"].community_stats_service
        with app.app_context():
            service.generate_record_community_events()
            done = service.aggregate()
        while not done.completed:
            with app.app_context():
                done = service.aggregate()

    def ours(self):
        """Return the indices of this package, except months of usage events."""
        names, client = self.events.names, self.known.client
        found = client.indices.get(index=f"{names.prefix}*", expand_wildcards="all")
        months = tuple(f"{names.events_alias(kind)}-" for kind in ("view", "download"))
        return sorted(
            name
            for name, details in found.items()
            if not name.startswith(months)
            and (
                META_KEY in details["mappings"].get("_meta", {})
                or "stats-community" in name
                or name.startswith(f"{names.prefix}backup-")
            )
        )


@pytest.fixture()
def site(fresh, client, text, names):
    """Return a function that creates a site."""

    def make(**size):
        known, events = Known(client, text, names), Events(fresh, client, names)
        return Site(known, events, **size)

    return make


def check(site, most):
    """Check that all indices exist, and that they are few."""
    found = site.ours()
    names = site.events.names
    single = [names.bookmarks, names.reindexing, names.record_facts, names.dead_letter]
    single += [names.unacknowledged, names.between_runs]
    assert set(single) <= set(found)
    families = [names.aggregates_from(family, 1) for family in (*FAMILIES, *INTERNAL)]
    assert set(families) <= set(found)
    assert len(found) <= most, found


def test_a_small_site_has_at_most_twenty(site):
    small = site(communities=6, days=550)
    small.records(60, first_year=1950)
    small.usage(12)
    small.work()
    check(small, most=20)
    small.events.assert_right()
    small.known.check(datetime.now(UTC).date())


def test_ten_years_and_many_communities_have_at_most_forty(site):
    large = site(communities=MANY, days=3653)
    large.records(2 * MANY, first_year=1800)
    large.usage(12)
    large.work()
    published = {fact["published"] for fact in large.known.facts.values()}
    assert len(published) > LARGE
    check(large, most=LARGE)
    # an index of community events for each year, and one of each other kind
    years = [name for name in large.ours() if "-stats-community-events-2" in name]
    assert len(years) in (10, 11)
