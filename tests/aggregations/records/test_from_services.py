# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Actions of users in InvenioRDM result in the correct snapshots of records."""

from datetime import UTC, datetime, timedelta

import pytest

from invenio_stats_dashboard.search.names import RECORD_FAMILIES

from ...helpers import content
from ...helpers.stored import aggregates_in


@pytest.fixture()
def count(capturing, client, names):
    """Return a function that aggregates and returns the last document of a family."""
    service = capturing.extensions["invenio-stats-dashboard"].community_stats_service

    def last(family, community="global"):
        client.indices.refresh(index=f"{names.prefix}stats-*")
        service.aggregate(families=RECORD_FAMILIES)
        found = aggregates_in(client, names, [family])[family]
        days = [day for whose, day in found if whose == community]
        return found[community, max(days)] if days else None

    with capturing.app_context():
        service.generate_record_community_events()
        yield last


def _cells(document, key):
    return {
        cell["id"]: sum(cell["records"].values()) for cell in document["subcounts"][key]
    }


def _person(name, *affiliations, **role):
    person = {"type": "personal", "family_name": name, "given_name": "A."}
    listed = [{"name": affiliation} for affiliation in affiliations]
    return {"person_or_org": person, "affiliations": listed, **role}


def test_a_record_is_counted_from_its_publication_to_its_deletion(count):
    owner, community = content.make_user(), content.make_community()
    recid = content.make_record(
        owner,
        [community],
        files={"a.csv": b"12345", "b.pdf": b"123"},
        publication_date="2019-05",
        creators=[_person("Curie", "The institute")],
        contributors=[
            _person("Joliot", "The institute", role={"id": "datacurator"}),
            _person("Cotton", "The garage", role={"id": "datacurator"}),
        ],
    )
    today = datetime.now(UTC).date().isoformat()
    snapshot = count("records-snapshot-published", community)
    assert snapshot["snapshot_date"] == "2019-05-01"
    assert snapshot["total_records"] == {"metadata_only": 0, "with_files": 1}
    assert snapshot["total_files"] == {"file_count": 2, "data_volume": 8}
    assert snapshot["total_uploaders"] == 1
    # each affiliation counts once, for any number of creators and contributors
    assert _cells(snapshot, "affiliations") == {"The institute": 1, "The garage": 1}
    assert _cells(snapshot, "file_types") == {"csv": 1, "pdf": 1}
    assert _cells(snapshot, "languages") == {"unknown": 1}

    version = _version_without_files(recid)
    totals = count("records-snapshot-created")
    assert totals["snapshot_date"] == today
    assert sum(totals["total_records"].values()) == 2
    # one of the two versions has files, and the parent counts once
    assert totals["total_parents"] == {"metadata_only": 0, "with_files": 1}

    content.remove(recid, community)
    # added and removed today: the day changes nothing, the publication date stays
    assert count("records-snapshot-added", community) is None

    content.delete_record(version)
    assert sum(count("records-snapshot-added")["total_records"].values()) == 1


def test_an_edit_and_the_end_of_an_embargo(count):
    until = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
    embargo = {"active": True, "until": until, "reason": "a test"}
    recid = content.make_record(
        files={"a.csv": b"1"},
        access={"files": "restricted", "embargo": embargo},
        languages=[{"id": "eng"}],
    )
    snapshot = count("records-snapshot-added")
    assert _cells(snapshot, "access_statuses") == {"embargoed": 1}
    assert _cells(snapshot, "languages") == {"eng": 1}
    _lift(recid)
    content.edit(recid, languages=[{"id": "dan"}])
    snapshot = count("records-snapshot-added")
    assert _cells(snapshot, "access_statuses") == {"open": 1}
    assert _cells(snapshot, "languages") == {"dan": 1}


def _version_without_files(recid):
    from invenio_access.permissions import system_identity
    from invenio_rdm_records.proxies import current_rdm_records_service as service

    draft = service.new_version(system_identity, recid)
    data = {**draft.data, "files": {"enabled": False}}
    data["metadata"]["publication_date"] = "2024"
    service.update_draft(system_identity, draft.id, data)
    return service.publish(system_identity, draft.id).id


def _lift(recid):
    """Change a record as InvenioRDM does on the day its embargo ends."""
    from invenio_db import db
    from invenio_rdm_records.proxies import current_rdm_records_service

    record = current_rdm_records_service.record_cls.pid.resolve(recid)
    past = datetime.now(UTC).date() - timedelta(days=1)
    record.access.embargo.until = datetime(past.year, past.month, past.day, tzinfo=UTC)
    assert record.access.lift_embargo()
    record.commit()
    db.session.commit()
