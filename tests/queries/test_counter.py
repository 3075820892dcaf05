# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The COUNTER report agrees with a plain count of the stored events."""

import json
from collections import defaultdict
from datetime import date

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invenio_access.permissions import system_identity
from invenio_rdm_records.proxies import current_rdm_records_service

from invenio_stats_dashboard.aggregations.usage import event_reader
from invenio_stats_dashboard.errors import TooManyEventsError, UsageError
from invenio_stats_dashboard.permissions import guest_identity
from invenio_stats_dashboard.reports.counter import report as dataset_report
from invenio_stats_dashboard.reports.counter.assembly import counter_report
from invenio_stats_dashboard.reports.counter.usage import METRICS, UseCounts, UseEvent

from ..aggregations.usage.build import BLUE, RED, Events
from ..conftest import remove_statistics
from ..helpers import content, reference
from ..helpers.commands import run
from ..helpers.usage import Usage

MONTH, FIRST, LAST = "2026-03", "2026-03-01", "2026-03-31"
RESTRICTED = {"record": "restricted", "files": "restricted"}


def _text(**more):
    return {"type": "string", **more}


def _list(properties, least=0, **more):
    item = {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
        **more,
    }
    return {"type": "array", "items": item, "minItems": least}


_DAY = _text(pattern=r"^\d{4}-\d{2}-\d{2}$")
_PERIOD = {
    "type": "object",
    "required": ["begin-date", "end-date"],
    "properties": {"begin-date": _DAY, "end-date": _DAY},
    "additionalProperties": False,
}
_COUNT = {"type": "integer", "minimum": 1}
SCHEMA = {
    "type": "object",
    "required": ["report-header", "report-datasets"],
    "additionalProperties": False,
    "properties": {
        "report-header": {
            "type": "object",
            "additionalProperties": False,
            "required": [
                *("report-name", "report-id", "release", "created", "created-by"),
                *("reporting-period", "report-filters", "report-attributes"),
                "exceptions",
            ],
            "properties": {
                "report-name": {"const": "dataset report"},
                "report-id": {"const": "DSR"},
                "release": {"const": "rd1"},
                "created": _text(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"),
                "created-by": _text(minLength=1),
                "reporting-period": _PERIOD,
                "report-filters": _list({"name": _text(), "value": _text()}),
                "report-attributes": _list({"name": _text(), "value": _text()}),
                "exceptions": _list(
                    {
                        "code": {"type": "integer"},
                        "severity": {"enum": ["warning", "error", "fatal", "info"]},
                        "message": _text(),
                        "data": _text(),
                    }
                ),
            },
        },
        "report-datasets": _list(
            {
                "dataset-id": _list(
                    {"type": {"enum": ["doi", "uri"]}, "value": _text(minLength=1)}, 1
                ),
                "dataset-title": _text(),
                "data-type": {"const": "dataset"},
                "platform": _text(minLength=1),
                "publisher": _text(minLength=1),
                "publisher-id": _list({"type": _text(), "value": _text()}),
                "yop": _text(pattern=r"^\d{4}$"),
                "uri": _text(pattern="^https?://"),
                "performance": _list(
                    {
                        "period": _PERIOD,
                        "instance": _list(
                            {
                                "metric-type": {"enum": list(METRICS)},
                                "access-method": {"enum": ["regular", "machine"]},
                                "count": _COUNT,
                                "country-counts": {
                                    "type": "object",
                                    "propertyNames": {"pattern": "^[a-z]{2}$"},
                                    "additionalProperties": _COUNT,
                                },
                            },
                            1,
                        ),
                    },
                    1,
                ),
            }
        ),
    },
}
"""The form of a dataset report, as DataCite takes it and as strictly as we make it."""


@pytest.fixture()
def events(app, client, names):
    """Return the usage events of an instance that has none yet."""
    remove_statistics(client, names)
    with app.app_context():
        yield Events(app, client, names)


def report(events, community="global", month=MONTH, identity=None, **arguments):
    """Return a report as JSON, after checking its form."""
    arguments.setdefault("hidden", True)
    events.client.indices.refresh(index=f"{events.names.prefix}events-*")
    identity = identity or guest_identity()
    made = counter_report(events.app, community, month, identity, **arguments)
    found = json.loads(json.dumps(made.as_json()))
    jsonschema.validate(found, SCHEMA)
    if arguments["hidden"]:
        assert made.records == len(found["report-datasets"])
    return found


def counts_of(found):
    """Return (recid, access method, metric, country or None) -> count."""
    counts = {}
    for dataset in found["report-datasets"]:
        recid = dataset["uri"].rpartition("/")[2]
        (performance,) = dataset["performance"]
        for instance in performance["instance"]:
            key = recid, instance["access-method"], instance["metric-type"]
            assert (*key, None) not in counts
            counts[*key, None] = instance["count"]
            for country, count in instance["country-counts"].items():
                counts[*key, country] = count
    return counts


def wanted(stored, community="global", month=MONTH, count_robots=False):
    """Return the same, counted in the plainest way.

    Args:
        stored: ``view`` and ``download`` -> sources of events.
        community: the community of the report.
        month: ``YYYY-MM``.
        count_robots: whether robots count as in the stock statistics.
    """
    totals, sessions = defaultdict(int), defaultdict(set)
    for part, sources in stored.items():
        for event in sources:
            if not reference.counts(part, event, count_robots):
                continue
            if community not in ("global", *(event.get("community_ids") or ())):
                continue
            if event["timestamp"][:7] != month:
                continue
            method = "machine" if event.get("is_machine") else "regular"
            country = event.get("country")
            kinds = ["investigations"] + ["requests"] * (part == "download")
            for where in {None, country and country.lower()}:
                for kind in kinds:
                    key = event["recid"], method, kind, where
                    totals[key] += 1
                    if session := event.get("unique_session_id"):
                        sessions[key].add((event["timestamp"][:10], session))
    found = {}
    for (recid, method, kind, where), count in totals.items():
        found[recid, method, f"total-dataset-{kind}", where] = count
    for (recid, method, kind, where), those in sessions.items():
        found[recid, method, f"unique-dataset-{kind}", where] = len(those)
    return found


def sources(events):
    return {part: list(stored.values()) for part, stored in events.stored.items()}


def exceptions(found):
    return [(e["code"], e["data"]) for e in found["report-header"]["exceptions"]]


@pytest.mark.parametrize("count_robots", [False, True])
def test_every_number_is_that_of_a_plain_count(events, monkeypatch, count_robots):
    monkeypatch.setattr(event_reader, "PAGE", 20)
    monkeypatch.setitem(events.app.config, "STATS_DASHBOARD_COUNT_ROBOTS", count_robots)
    days = ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-31", "2026-04-01"]
    events.days(days, each=30, communities=(RED, BLUE))
    events.days(days, each=20, kind="download", communities=(RED,), first=400)
    events.days(days[1:3], each=5, communities=(BLUE,), first=900, is_machine=None)
    for place, is_robot in enumerate((True, "true", None, "false")):
        flags = {"is_robot": is_robot, "recid": f"rec-{place}"}
        events.days(days, each=3, first=1000 + 100 * place, **flags)
        events.days(days, each=3, first=2000 + 100 * place, kind="download", **flags)
    events.days(days, each=3, first=3000, via_api=True)
    events.days(days, each=3, first=4000, kind="download", via_api=True)
    events.days(days[1:2], each=3, first=5000, unique_session_id=None)
    for community in ("global", RED, BLUE):
        counts = wanted(sources(events), community, count_robots=count_robots)
        assert len(counts) > 50
        assert counts_of(report(events, community)) == counts


SMALL = st.tuples(
    st.sampled_from(["view", "download"]),
    st.sampled_from(["2026-03-01", "2026-03-02"]),
    st.sampled_from(["rec-b", "rec-a", None]),
    st.sampled_from(["ann", "bob", None]),
    st.sampled_from(["CH", "fr", None, ""]),
    st.sampled_from([True, False, None]),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(SMALL, max_size=30))
def test_counting_is_that_of_a_plain_count(made):
    counts, stored = UseCounts(), {"view": [], "download": []}
    for day in ("2026-03-01", "2026-03-02"):
        pages = []
        for part, when, recid, session, country, machine in made:
            if when == day:
                pages.append(
                    (part == "download", [UseEvent(recid, session, country, machine)])
                )
                stored[part].append(
                    {
                        **{"timestamp": f"{day}T00:00:00", "unique_id": "x"},
                        **{"via_api": False, "is_robot": False, "recid": recid},
                        **{"unique_session_id": session, "country": country or None},
                        "is_machine": machine,
                    }
                )
        assert counts.add_day(pages) == len(pages)
    found = {}
    recids = []
    for recid, cells in counts.records():
        recids.append(recid)
        for cell in cells:
            for metric, count in zip(METRICS, cell.counts, strict=True):
                if count:
                    found[recid, cell.method, metric, cell.country] = count
    assert recids == sorted(set(recids)) and len(counts) == len(recids)
    counted = {key: n for key, n in wanted(stored).items() if key[0] is not None}
    assert found == counted


def test_an_event_that_is_not_enriched_counts_for_the_instance_and_is_reported(events):
    events.days(["2026-03-05"], each=4)
    id, source = events.event(77, "2026-03-05T00:30:00", communities=())
    for field in ("community_ids", "subcounts", "enriched_at"):
        del source[field]
    events.write([(id, source)])
    found = report(events)
    assert counts_of(found) == wanted(sources(events)) and not exceptions(found)
    found = report(events, RED)
    assert counts_of(found) == wanted(sources(events), RED)
    ((code, data),) = exceptions(found)
    assert code == 3040 and data.startswith("1 events of the instance")


def test_a_month_that_is_switched_while_it_is_read_is_counted_once(
    fresh, client, names
):
    with fresh.app_context():
        usage = Usage(fresh, client, names)
        stored = {
            "view": list(usage.legacy("view", MONTH, 300).values()),
            "download": list(usage.legacy("download", MONTH, 100).values()),
        }
        switched = []

        def switch(progress):
            if progress.done == 9:
                switched.append(usage.migrate()["completed"])

        found = counter_report(
            fresh, "global", MONTH, guest_identity(), progress=switch, hidden=True
        ).as_json()
    assert switched == [True]
    assert counts_of(found) == wanted(stored)


def test_a_month_that_has_not_ended_is_reported_up_to_today(events):
    events.days(["2026-03-01", "2026-03-09"], each=2)
    found = report(events, today=date(2026, 3, 9))
    assert counts_of(found) == wanted(sources(events))
    period = {"begin-date": FIRST, "end-date": "2026-03-09"}
    assert found["report-header"]["reporting-period"] == period
    assert [code for code, _ in exceptions(found)] == [3040]
    found = report(events, today=date(2026, 4, 1))
    assert found["report-header"]["reporting-period"]["end-date"] == LAST
    assert not exceptions(found)


def test_a_month_without_events_says_so(events):
    found = report(events)
    assert found["report-datasets"] == []
    assert exceptions(found) == [(3030, f"{FIRST} to {LAST}")]


def attributes_of(found):
    """Return the differences from the standard, by name."""
    return {a["name"]: a["value"] for a in found["report-header"]["report-attributes"]}


def test_the_header_states_whether_robots_count(events, monkeypatch):
    assert attributes_of(report(events))["robots"].startswith("Robots are excluded, as")
    monkeypatch.setitem(events.app.config, "STATS_DASHBOARD_COUNT_ROBOTS", True)
    robots = attributes_of(report(events))["robots"]
    assert "are not excluded where the record pages of the site count them" in robots


def test_the_header_states_what_is_counted_differently(events):
    found = report(events, RED)["report-header"]
    assert found["report-filters"] == [{"name": "community", "value": RED}]
    attributes = {a["name"]: a["value"] for a in found["report-attributes"]}
    assert "downloads 10 s, views 10 s" in attributes["double-clicks"]
    assert {"robots", "access-methods", "sessions", "datasets", "titles"} <= set(
        attributes
    )
    assert report(events)["report-header"]["report-filters"] == []


@pytest.mark.parametrize("hidden", [True, False])
def test_where_small_numbers_are_hidden_no_country_is_reported(
    events, monkeypatch, hidden
):
    recid = content.make_record()
    used(events, recid, 3)
    events.client.indices.refresh(index=f"{events.names.prefix}rdmrecords*")
    before = report(events, hidden=hidden)
    assert any(key[3] for key in counts_of(before))
    monkeypatch.setitem(events.app.config, "STATS_DASHBOARD_MIN_VISITORS", 2)
    found = report(events, hidden=hidden)
    assert counts_of(found) == {
        k: n for k, n in counts_of(before).items() if k[3] is None
    }
    attributes = {
        a["name"]: a["value"] for a in found["report-header"]["report-attributes"]
    }
    assert attributes["countries"].startswith("Suppressed")


def test_a_report_on_request_contains_no_number_of_the_instance(events):
    id, source = events.event(77, "2026-03-05T00:30:00", communities=())
    for field in ("community_ids", "subcounts", "enriched_at"):
        del source[field]
    events.write([(id, source)])
    found = [data for code, data in exceptions(report(events, RED, hidden=False))]
    assert any("not enriched yet" in data for data in found)
    assert not any("1 events" in data for data in found)


# -- records --------------------------------------------------------------------


def used(events, recid, number=1):
    """Store views of a record."""
    made = []
    for n in range(number):
        id, source = events.event(n, f"2026-03-05T00:00:{n:02d}")
        made.append((f"{id}-{recid}", {**source, "recid": recid}))
    events.write(made)


def datasets(events, identity=None):
    """Return recid -> dataset."""
    events.client.indices.refresh(index=f"{events.names.prefix}rdmrecords*")
    found = report(events, identity=identity)["report-datasets"]
    return {dataset["uri"].rpartition("/")[2]: dataset for dataset in found}


def with_doi(recid, doi):
    """Give a draft a DOI that is registered elsewhere, and publish it."""
    service = current_rdm_records_service
    data = service.read_draft(system_identity, recid).data
    data["pids"] = {"doi": {"identifier": doi, "provider": "external"}}
    service.update_draft(system_identity, recid, data)
    service.publish(system_identity, recid)


def test_a_public_record_is_described_by_its_metadata(events, monkeypatch):
    allowed = {"providers": ["external"], "required": False, "is_enabled": lambda _: 1}
    monkeypatch.setitem(
        events.app.config, "RDM_PERSISTENT_IDENTIFIERS", {"doi": allowed}
    )
    metadata = {
        "title": "Öffentlich",
        "publisher": "A press",
        "publication_date": "1999-05/2001",
    }
    recid = content.make_draft(**metadata)
    with_doi(recid, "10.1234/Some.Thing")
    used(events, recid, 2)
    dataset = datasets(events)[recid]
    assert dataset["dataset-id"] == [{"type": "doi", "value": "10.1234/Some.Thing"}]
    assert dataset["dataset-title"] == "Öffentlich"
    assert (dataset["publisher"], dataset["yop"]) == ("A press", "1999")
    assert dataset["uri"] == f"https://127.0.0.1:5000/records/{recid}"


def test_what_the_caller_may_not_see_has_its_numbers_and_no_title(events):
    owner = content.make_user()
    secret = content.make_record(owner, access=RESTRICTED, title="Secret")
    deleted = content.make_record(title="Deleted")
    for recid in (secret, deleted, "never-was"):
        used(events, recid)
    content.delete_record(deleted)
    found = datasets(events)
    assert set(found) == {secret, deleted, "never-was"}
    for recid, dataset in found.items():
        link = f"https://127.0.0.1:5000/records/{recid}"
        assert dataset["dataset-id"] == [{"type": "uri", "value": link}]
        assert dataset["dataset-title"] == "" and dataset["yop"] == "0001"
        assert dataset["publisher"] == dataset["platform"]
    assert "Secret" not in json.dumps(found) and "Deleted" not in json.dumps(found)
    assert datasets(events, owner)[secret]["dataset-title"] == "Secret"


def test_what_the_caller_may_not_see_is_left_out_unless_it_is_wanted(events):
    owner = content.make_user()
    secret = content.make_record(owner, access=RESTRICTED, title="Secret")
    shown = content.make_record(owner, title="Shown")
    for recid in (secret, shown):
        used(events, recid)
    events.client.indices.refresh(index=f"{events.names.prefix}rdmrecords*")
    found = report(events, hidden=False)
    (dataset,) = found["report-datasets"]
    assert dataset["dataset-title"] == "Shown"
    assert secret not in json.dumps(found)
    attributes = {
        a["name"]: a["value"] for a in found["report-header"]["report-attributes"]
    }
    assert "only records that are public" in attributes["records"]
    assert len(report(events, identity=owner, hidden=False)["report-datasets"]) == 2


def test_no_more_events_are_counted_than_are_allowed(events):
    events.days(["2026-03-05"], each=5)
    assert len(report(events, most=5)["report-datasets"]) == 5
    with pytest.raises(TooManyEventsError, match="2026-03 has 5 events"):
        report(events, most=4)


# -- the command ------------------------------------------------------------------


def test_the_command_prints_the_report_or_writes_it_to_a_file(events, tmp_path):
    events.days(["2026-03-05"], each=5)
    events.client.indices.refresh(index=f"{events.names.prefix}events-*")
    printed = run(events.app, "counter-report", "--month", MONTH)
    assert printed.exit_code == 0
    jsonschema.validate(printed.document, SCHEMA)
    assert counts_of(printed.document) == wanted(sources(events))
    path = tmp_path / "report.json"
    path.write_text("an older one")
    done = run(events.app, "counter-report", "--month", MONTH, "--output", str(path))
    assert done.out == f"Wrote 5 datasets to {path}.\n"
    datasets = json.loads(path.read_text())["report-datasets"]
    assert datasets == printed.document["report-datasets"]
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_the_command_warns_if_robots_are_not_excluded(events, monkeypatch):
    events.days(["2026-03-05"], each=5)
    before = run(events.app, "counter-report", "--month", MONTH)
    monkeypatch.setitem(events.app.config, "STATS_DASHBOARD_COUNT_ROBOTS", True)
    done = run(events.app, "counter-report", "--month", MONTH)
    assert (before.err, done.exit_code) == ("", 0)
    assert "robots are not excluded" in done.err
    assert done.document["report-header"]


def test_the_command_names_public_records_only(events):
    secret = content.make_record(access=RESTRICTED, title="Secret")
    shown = content.make_record(title="Shown")
    for recid in (secret, shown):
        used(events, recid)
    events.client.indices.refresh(index=f"{events.names.prefix}events-*")
    events.client.indices.refresh(index=f"{events.names.prefix}rdmrecords*")
    found = run(events.app, "counter-report", "--month", MONTH).document
    titles = {d["dataset-title"] for d in found["report-datasets"]}
    assert titles == {"Shown", ""}


def test_a_report_that_fails_leaves_the_file_as_it_was(events, tmp_path, monkeypatch):
    events.days(["2026-03-05"], each=5)
    events.client.indices.refresh(index=f"{events.names.prefix}events-*")
    path = tmp_path / "report.json"
    path.write_text("an older one")

    def failing(*_, **__):
        raise UsageError("It cannot be.")

    monkeypatch.setattr(dataset_report, "dataset", failing)
    done = run(events.app, "counter-report", "--month", MONTH, "--output", str(path))
    assert (done.exit_code, done.err) == (2, "Error: It cannot be.\n")
    assert path.read_text() == "an older one"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--month", "2026-13"), "'2026-13' is not a month; write it as YYYY-MM"),
        (("--month", "March"), "write it as YYYY-MM"),
        (("--month", "2026-3"), "write it as YYYY-MM"),
        (("--month", "0000-01"), "write it as YYYY-MM"),
        (("--month", "2999-01"), "The month 2999-01 is in the future"),
        (("--month", MONTH, "--community", "nobody"), "no community 'nobody'"),
        (
            ("--month", MONTH, "--output", "/no/where.json"),
            "cannot be written: No such",
        ),
        ((), "Missing option '--month'"),
    ],
)
def test_a_mistake_gets_a_sentence(fresh, arguments, sentence):
    done = run(fresh, "counter-report", *arguments)
    assert done.exit_code == 2
    assert sentence in done.err
