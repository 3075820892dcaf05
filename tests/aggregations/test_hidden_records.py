# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Public numbers follow the access of records, as users change it in InvenioRDM."""

from datetime import UTC, datetime, timedelta

import pytest
from invenio_db import db
from invenio_rdm_records.proxies import current_rdm_records_service

from invenio_stats_dashboard.community_events import documents
from invenio_stats_dashboard.community_events.lookup import RecordLookup
from invenio_stats_dashboard.community_events.reconciliation import (
    reconciliation_state,
)
from invenio_stats_dashboard.errors import NotReadyError

from ..helpers import content
from ..helpers.commands import run
from ..helpers.stored import aggregates_in
from .usage.build import Events

FAMILIES = ("records-snapshot-added", "usage-delta", "usage-snapshot")
DAY = "2026-03-02"


class Site:
    """An instance with live capture.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, app, client, names):
        """Generate community events, so that changes are captured from now on."""
        self.app, self.client, self.names = app, client, names
        extension = app.extensions["invenio-stats-dashboard"]
        self.service = extension.community_stats_service
        self.service.generate_record_community_events()
        self._events = Events(app, client, names)

    def use(self, recid, communities, number=0):
        """Store a view and a download of a record."""
        described = {"resource_types": ["dataset"], "subjects": ["secret"]}
        for kind in ("view", "download"):
            self._events.days(
                [DAY],
                each=1,
                kind=kind,
                first=number,
                recid=recid,
                communities=communities or (),
                **({} if communities is not None else {"community_ids": None}),
                subcounts=described,
            )

    def values(self, community="global"):
        """Aggregate, and return the subjects of each family for a community.

        Returns:
            dict: family -> set of ids.
        """
        self.client.indices.refresh(index=f"{self.names.prefix}*stats-*")
        self.service.aggregate()
        found = aggregates_in(self.client, self.names, FAMILIES)
        return {family: _subjects(found[family], community) for family in FAMILIES}


def _subjects(documents, community):
    ids = set()
    days = [day for whose, day in documents if whose == community]
    for day in days:
        subjects = documents[community, day]["subcounts"]["subjects"]
        lists = subjects.values() if isinstance(subjects, dict) else [subjects]
        ids |= {cell["id"] for cells in lists for cell in cells}
    return ids


def everywhere(value):
    """Return that each family has one subject."""
    return {family: {value} for family in FAMILIES}


@pytest.fixture()
def site(capturing, client, names):
    """Return an empty instance that captures changes."""
    with capturing.app_context():
        yield Site(capturing, client, names)


def _change(recid, **access):
    """Change who finds a record, as its owner does."""
    service, identity = current_rdm_records_service, content.system_identity
    data = service.edit(identity, recid).data
    data["access"] = {**data["access"], **access}
    service.update_draft(identity, recid, data)
    service.publish(identity, recid)


def _make_record(**more):
    return content.make_record(subjects=[{"subject": "secret"}], **more)


def test_a_record_that_is_restricted_and_made_public_again(site):
    recid = _make_record()
    site.use(recid, [])
    assert site.values() == everywhere("secret")
    _change(recid, record="restricted", files="restricted")
    assert site.values() == everywhere("_hidden")
    _change(recid, record="public")
    assert site.values() == everywhere("secret")


def test_more_records_are_restricted_than_a_query_of_the_events_may_name(site):
    recids = [_make_record() for _ in range(2)]
    for number, recid in enumerate(recids):
        site.use(recid, [], number)
    assert site.values() == everywhere("secret")
    events = f"{site.names.events_alias('view')}-*"
    limit = {"index.max_terms_count": 1}
    site.client.indices.put_settings(index=events, body=limit)
    for recid in recids:
        _change(recid, record="restricted", files="restricted")
    assert site.values() == everywhere("_hidden")


def test_restricted_files_do_not_hide_a_record(site):
    recid = _make_record(access={"files": "restricted"}, files={"a.csv": b"1"})
    site.use(recid, [])
    assert site.values() == everywhere("secret")


def test_an_embargo_that_ends(site):
    until = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
    embargo = {"active": True, "until": until, "reason": "a test"}
    recid = _make_record(access={**content.RESTRICTED, "embargo": embargo})
    site.use(recid, [])
    assert site.values() == everywhere("_hidden")
    record = current_rdm_records_service.record_cls.pid.resolve(recid)
    past = datetime.now(UTC).date() - timedelta(days=1)
    record.access.embargo.until = datetime(past.year, past.month, past.day, tzinfo=UTC)
    assert record.access.lift_embargo()
    record.commit()
    db.session.commit()
    assert site.values() == everywhere("secret")


def test_members_of_a_restricted_community_see_values_and_others_do_not(site):
    closed, public = content.make_community(restricted=True), content.make_community()
    recid = _make_record(access=content.RESTRICTED, communities=[closed, public])
    site.use(recid, [closed, public])
    assert site.values(closed) == everywhere("secret")
    assert site.values(public) == everywhere("_hidden")
    assert site.values() == everywhere("_hidden")


def test_members_of_a_community_that_the_record_has_left_do_not_see_values(site):
    closed, other = (content.make_community(restricted=True) for _ in range(2))
    recid = _make_record(access=content.RESTRICTED, communities=[closed, other])
    site.use(recid, [closed, other])
    assert site.values(closed) == everywhere("secret")
    content.remove(recid, closed)
    assert site.values(closed)["usage-delta"] == {"_hidden"}
    assert site.values(other) == everywhere("secret")


def test_facts_without_access_do_not_show_a_record_that_was_hidden(site):
    recid = _make_record(access=content.RESTRICTED)
    site.use(recid, [])
    assert site.values() == everywhere("_hidden")
    facts = site.client.get(index=site.names.record_facts, id=recid)
    source = {k: v for k, v in facts["_source"].items() if k != "access"}
    # as a worker with an earlier version writes them
    site.client.index(index=site.names.record_facts, id=recid, body=source)
    assert site.values() == everywhere("_hidden")
    context = RecordLookup(site.client, site.names, site.service.subcounts).get([recid])
    assert context[recid].facts.subcounts["subjects"] == ["secret"]
    site.client.delete(index=site.names.record_facts, id=recid)
    assert site.values()["usage-delta"] == {"_hidden"}


def test_without_record_facts_nothing_is_counted_if_records_were_hidden(site):
    recid = _make_record(access=content.RESTRICTED)
    site.use(recid, [])
    assert site.values() == everywhere("_hidden")
    site.client.indices.delete(index=site.names.record_facts)
    with pytest.raises(NotReadyError, match="unknown which records are hidden"):
        site.service.aggregate()


def test_an_event_without_communities_costs_nothing_else(site):
    recid = _make_record(access=content.RESTRICTED)
    site.use(recid, None)
    assert site.values() == everywhere("_hidden")


def test_a_community_that_is_restricted_later(site):
    community = content.make_community()
    recid = _make_record(access=content.RESTRICTED, communities=[community])
    site.use(recid, [community])
    assert site.values(community) == everywhere("_hidden")
    content.restrict_community(community)
    assert site.values(community) == everywhere("secret")
    assert site.values() == everywhere("_hidden")


def test_a_public_record_only_in_communities_that_are_restricted_later(site):
    community = content.make_community()
    recid = _make_record(communities=[community])
    site.use(recid, [community])
    assert site.values() == everywhere("secret")
    # InvenioRDM refuses this, but a script or an older version may have done it
    from invenio_communities.communities.records.api import Community

    record = Community.get_record(community)
    record.access.visibility = "restricted"
    record.commit()
    db.session.commit()
    assert site.values() == everywhere("_hidden")
    assert site.values(community) == everywhere("secret")


def test_members_do_not_see_values_of_a_record_without_a_visible_tombstone(site):
    closed = content.make_community(restricted=True)
    recid = _make_record(access=content.RESTRICTED, communities=[closed])
    site.use(recid, [closed])
    assert site.values(closed) == everywhere("secret")
    content.delete_record(recid)
    note = {"note": "A test", "is_visible": False}
    service = current_rdm_records_service
    service.update_tombstone(content.system_identity, recid, note)
    assert site.values(closed)["usage-delta"] == {"_hidden"}


def test_a_setting_restores_the_values_and_hides_them_again(site, monkeypatch):
    recid = _make_record(access=content.RESTRICTED)
    site.use(recid, [])
    assert site.values() == everywhere("_hidden")
    name = "STATS_DASHBOARD_SHOW_HIDDEN_RECORDS"
    with monkeypatch.context() as patch:
        patch.setitem(site.app.config, name, True)
        assert site.values() == everywhere("secret")
    assert site.values() == everywhere("_hidden")


def _downgrade(site):
    """Store facts and aggregates as the version without hidden records did."""
    client, names = site.client, site.names
    client.indices.refresh(index=names.record_facts)
    hits = client.search(index=names.record_facts, body={"size": 100})["hits"]["hits"]
    client.indices.delete(index=names.record_facts)
    mapping = documents.facts_mapping()
    mapping["properties"] = {
        k: v for k, v in mapping["properties"].items() if k != "access"
    }
    client.indices.create(index=names.record_facts, body={"mappings": mapping})
    for hit in hits:
        source = {k: v for k, v in hit["_source"].items() if k != "access"}
        version = {"version": source["revision"], "version_type": "external_gte"}
        client.index(
            index=names.record_facts,
            id=hit["_id"],
            body={**source, "registry": "of the earlier version"},
            params=version,
        )
    client.indices.refresh(index=names.record_facts)


def _let_a_day_pass(site):
    """Date the last reconciliation of all records a day earlier."""
    id, now = "community-events-reconciliation", datetime.now(UTC).replace(tzinfo=None)
    swept = (now - timedelta(days=1)).isoformat(timespec="seconds")
    body = {"doc": {"swept_at": swept}}
    site.client.update(index=site.names.reindexing, id=id, body=body)


def test_an_installed_site_is_upgraded_by_the_scheduled_tasks(site):
    recid = _make_record(access=content.RESTRICTED)
    site.use(recid, [])
    site.service.reconcile_if_due()
    _downgrade(site)
    assert site.values() == everywhere("secret")
    status = run(site.app, "status", "--json").document
    assert status["outdated_facts"] == 1
    assert "1 record facts are outdated" in run(site.app, "status").out
    # all records are compared, although they were a moment ago
    _let_a_day_pass(site)
    site.service.reconcile_if_due()
    assert run(site.app, "status", "--json").document["outdated_facts"] == 0
    assert reconciliation_state(site.client, site.names).facts == 1
    assert site.values() == everywhere("_hidden")


@pytest.mark.parametrize("written", [("looked_at", "swept_at"), ("looked_at",)])
def test_facts_are_computed_again_after_an_earlier_version_has_compared_records(
    site, written
):
    _make_record(access=content.RESTRICTED)
    site.service.reconcile_if_due()
    _downgrade(site)
    # what the earlier version stores if it has compared all or only changed records
    moment = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
    fields = {"doc": dict.fromkeys(written, moment)}
    id = "community-events-reconciliation"
    site.client.update(index=site.names.reindexing, id=id, body=fields)
    # an operator compares changed records, which does not compute the others again
    run(site.app, "community-events", "reconcile", "--changed-only")
    assert run(site.app, "status", "--json").document["outdated_facts"] == 1
    site.service.reconcile_if_due()
    state = reconciliation_state(site.client, site.names)
    assert (state.facts, state.registry_looked_at) == (1, state.looked_at)
    assert run(site.app, "status", "--json").document["outdated_facts"] == 0
    site.service.reconcile_if_due()
    assert reconciliation_state(site.client, site.names).swept_at == state.swept_at
