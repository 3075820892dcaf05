# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""An attacker compares all answers, and learns nothing about hidden records.

If the answers to every request are the same for two sites that differ only in the
metadata of hidden records, no calculation with these answers can result in a value of
this metadata. The attacker here is a guest and a member of a restricted community,
who asks for all breakdowns, bases, intervals and formats, for each day alone, and for
all communities that exist.
"""

import json
import re
from datetime import UTC, datetime
from itertools import product

import pytest

from invenio_stats_dashboard.resources.stats_queries import queries

from ..helpers import content
from ..helpers.http import Http
from .usage.build import Events

DAYS = ("2026-03-02", "2026-03-03")
"""Days with usage; on the second one, only hidden records are used."""

FIRST = {
    "resource_type": {"id": "publication-article"},
    "subjects": [{"subject": "first secret"}],
    "languages": [{"id": "eng"}],
    "publisher": "First press",
}
SECOND = {
    "resource_type": {"id": "dataset"},
    "subjects": [{"subject": "second secret"}, {"subject": "third secret"}],
    "languages": [{"id": "dan"}],
    "publisher": "Second press",
}
_CHANGING = re.compile(
    r'"(data_as_of|late)": *(null|"[^"]*")'
    r"|\d{4}-\d\d-\d\d[T ]\d\d:[\d:.]+(Z|[+-]\d\d:\d\d)?"
)
"""How new the numbers are, and other moments, which differ between two runs."""


class Target:
    """A site that is attacked.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, app, client, names):
        """Create public and hidden records, communities, and a member of one."""
        self.app, self._client, self._names = app, client, names
        extension = app.extensions["invenio-stats-dashboard"]
        self._service = extension.community_stats_service
        self._service.generate_record_community_events()
        self.public = content.make_community()
        self.closed = content.make_community(restricted=True)
        other = content.make_community(restricted=True)
        self.member = content.make_member(self.closed)
        shown = content.make_record(communities=[self.public])
        self.hidden = {
            content.make_record(
                access=content.RESTRICTED, communities=where, **FIRST
            ): where
            for where in ([self.public], [other], [])
        }
        # members of the restricted community do not find this one, which has left it
        left = content.make_record(
            access=content.RESTRICTED, communities=[self.closed], **FIRST
        )
        content.remove(left, self.closed)
        self.hidden[left] = [self.closed]
        self._shown = {shown: [self.public]}

    def describe(self, metadata):
        """Give the hidden records this metadata, use all records, and aggregate."""
        for recid in self.hidden:
            content.edit(recid, **metadata)
        events = Events(self.app, self._client, self._names)
        values = {
            "resource_types": [metadata["resource_type"]["id"]],
            "subjects": [subject["subject"] for subject in metadata["subjects"]],
        }
        for number, (recid, where) in enumerate({**self._shown, **self.hidden}.items()):
            days = DAYS if recid in self.hidden else DAYS[:1]
            subcounts = values if recid in self.hidden else {"subjects": ["public"]}
            for kind in ("view", "download"):
                events.days(
                    days,
                    each=1,
                    kind=kind,
                    first=number,
                    recid=recid,
                    communities=where,
                    subcounts=subcounts,
                )
        self._client.indices.refresh(index=f"{self._names.prefix}*stats-*")
        self._service.aggregate(rebuild=True)

    def answers(self):
        """Return request -> answer, for everything that the attackers may ask."""
        found = {}
        guest, member = Http(self.app), Http(self.app, self.member.id)
        for path in _paths(self.public):
            found["guest", path] = _plain(guest.get(path))
        for path in _paths(self.closed):
            found["member", path] = _plain(member.get(path))
        today = datetime.now(UTC).date().isoformat()
        for stat, community, (first, last) in product(
            queries(), ("global", self.public), (DAYS, (today, today))
        ):
            params = {"start_date": first, "end_date": last}
            if not stat.startswith("global"):
                params["community_id"] = community
            body = {"all": {"stat": stat, "params": params}}
            found[stat, community, first] = _plain(guest.post("/stats", json=body))
        return found


def _paths(community):
    """Yield the addresses of all kinds of statistics, for a day and for longer."""
    everything = "breakdown=all&top=100&other=true"
    for base in ("global", f"communities/{community}"):
        start = f"/stats-dashboard/{base}"
        for first, last in ((DAYS[0], DAYS[1]), (DAYS[1], DAYS[1])):
            days = f"from={first}&to={last}"
            yield f"{start}/records?{days}"
            for interval, form in product(("day", "month"), ("json", "csv")):
                usage = f"{days}&interval={interval}&format={form}&{everything}"
                yield f"{start}?{usage}&metrics=views,downloads"
        for basis, metrics, days in product(
            ("created", "added", "published"),
            ("records_added", "records"),
            ("range=7d", "from=2024-05-01&to=2024-05-02"),  # the publication date
        ):
            query = f"{days}&interval=day&basis={basis}&metrics={metrics}"
            yield f"{start}?{query}&{everything}"
        yield f"{start}?range=all&metrics=views&filter=subjects:first%20secret"
        yield f"{start}/counter?month={DAYS[0][:7]}"


def _plain(answer):
    assert answer.status_code == 200, answer.data[:500]
    return _CHANGING.sub("", answer.data.decode("utf-8-sig"))


@pytest.fixture()
def target(capturing, client, names):
    """Return a site with hidden records."""
    with capturing.app_context():
        yield Target(capturing, client, names)


def test_no_answer_depends_on_metadata_of_hidden_records(target, monkeypatch):
    target.describe(FIRST)
    before = target.answers()
    target.describe(SECOND)
    after = target.answers()
    different = [request for request in before if after[request] != before[request]]
    assert different == []
    assert len(before) > 40
    everything = json.dumps(list(after.values()))
    words = ("second secret", "third secret", "Second press")
    assert [word for word in words if word in everything] == []
    # so that the requests are the ones that would reveal values
    name = "STATS_DASHBOARD_SHOW_HIDDEN_RECORDS"
    monkeypatch.setitem(target.app.config, name, True)
    target.describe(SECOND)
    shown = target.answers()
    different = [request for request in shown if after[request] != shown[request]]
    assert len(different) > len(shown) / 2
