# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the commands for usage events."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from flask import Flask

from invenio_stats_dashboard import InvenioStatsDashboard
from invenio_stats_dashboard.errors import ConfigurationError
from invenio_stats_dashboard.search.lock import ClusterLock
from invenio_stats_dashboard.services.event_reindexing import LOCK
from invenio_stats_dashboard.subcounts import load

from ..conftest import remove_statistics
from ..helpers.cluster import living_on
from ..helpers.commands import run
from ..helpers.usage import Usage

MIGRATE = ("migrate-events", "usage-events migrate")
MONTH_KEYS = {
    "state",
    "source_index",
    "target_index",
    "events_source",
    "events_target",
    "copied",
    "batches",
    "verified",
    "switched",
    "block_seconds",
    "errors",
    "retry",
}


@pytest.fixture()
def usage(app, client, names):
    """Return usage events of an instance that has none yet, and known records."""
    with app.app_context():
        yield no_months(app, client, names)


def no_months(app, client, names):
    """Remove all usage events; return those of an instance with known records."""
    remove_statistics(client, names)
    client.indices.delete(index=f"{names.prefix}backup-*", ignore=[404])
    return Usage(app, client, names, records=10)


@pytest.fixture()
def two_months(usage):
    """Return usage events with a month of views and one of downloads."""
    return with_two_months(usage)


def with_two_months(usage):
    """Create a month of views and one of downloads."""
    usage.legacy("view", "2026-03", 60)
    usage.legacy("download", "2026-04", 40)
    return usage


@pytest.fixture()
def migrated(app, client, names, prepared):
    """Return usage events of two months that are migrated, and the report as JSON."""

    def make():
        usage = with_two_months(no_months(app, client, names))
        return usage, call(usage, "usage-events migrate --json").document

    with app.app_context():
        yield prepared.get(f"{__name__} migrated", make)


def call(usage, *words):
    """Run a command; each word may hold several."""
    return run(usage.app, *" ".join(words).split())


def cluster_state(usage):
    """Return all that a command could change."""
    prefix, client = usage.names.prefix, usage.client
    client.indices.refresh(index=f"{prefix}*stats-*")
    details = client.indices.get(index=f"{prefix}*stats-*")
    documents = client.search(
        index=usage.names.reindexing, body={"size": 100, "version": True}
    )["hits"]["hits"]
    return details, sorted(d["_id"] for d in documents if d["_id"] != LOCK)


# -- what they do -------------------------------------------------------------------


@pytest.mark.parametrize("command", MIGRATE)
def test_both_names_migrate_and_say_what_was_done(command, two_months):
    done = call(two_months, command)
    assert done.exit_code == 0, done
    assert "2 of 2 monthly indices are done; 100 events copied" in done.out
    assert "2026-03" in done.out and "2026-04" in done.out


def test_both_names_have_the_same_options(app):
    first, second = (call_help(app, command) for command in MIGRATE)
    assert first.partition("Options:")[2] == second.partition("Options:")[2]


def call_help(app, command):
    """Return the help of a command."""
    return run(app, *command.split(), "--help").out


def test_json_report_has_the_documented_shape(migrated):
    usage, report = migrated
    assert {"completed", "stopped", "events_copied", "seconds"} <= set(report)
    assert report["completed"] is True and report["stopped"] is None
    assert report["events_copied"] == 100 and report["seconds"] > 0
    assert set(report["event_types"]) == {"view", "download"}
    month = report["event_types"]["view"]["months"]["2026-03"]
    assert set(month) >= MONTH_KEYS
    names = usage.names
    assert month["state"] == "done" and month["switched"] is True
    assert month["source_index"] == names.events_month("view", "2026-03")
    assert month["target_index"] == names.events_target("view", "2026-03")
    assert (month["events_source"], month["events_target"]) == (60, 60)
    assert (month["copied"], month["batches"]) == (60, 1)
    assert month["verified"] == {"count": True, "checksum": True, "enrichment": True}
    assert month["block_seconds"] > 0
    assert month["errors"] == [] and month["retry"] is None


def test_deleting_requires_confirmation(migrated):
    usage, _ = migrated
    done = call(usage, "usage-events cleanup")
    assert done.exit_code == 1 and "Permanently delete" in done.out
    backup = usage.names.events_backup("view", "2026-03")
    assert usage.client.indices.exists(index=backup)


def test_verify_cleanup_and_rollback_by_command(migrated):
    usage, _ = migrated
    checked = call(usage, "usage-events verify")
    assert checked.exit_code == 0
    assert checked.out.count("holds all events of its backup") == 2
    checks = call(usage, "usage-events verify --json").document
    assert [c["same"] for c in checks] == [True, True]

    view = usage.names.events_backup("view", "2026-03")
    dry = call(usage, "usage-events cleanup --months 2026-03 --dry-run")
    assert f"{view}: would be deleted" in dry.out
    assert usage.client.indices.exists(index=view)
    unasked = call(usage, "usage-events cleanup --months 2026-03 --json")
    assert_refused(unasked, "add --yes")
    deleted = call(usage, "usage-events cleanup --months 2026-03 --yes")
    assert f"{view}: deleted" in deleted.out
    assert not usage.client.indices.exists(index=view)

    late = call(usage, "usage-events rollback --months 2026-03 --yes")
    assert late.exit_code == 1 and "its backup was deleted" in late.out
    unasked = call(usage, "usage-events rollback --months 2026-04 --json")
    assert_refused(unasked, "add --yes")
    back = call(usage, "usage-events rollback --months 2026-04 --json --yes")
    assert back.exit_code == 0
    outcome = {m["event_type"]: m for m in back.document}
    download = usage.names.events_backup("download", "2026-04")
    assert outcome["download"]["index"] == download


def test_event_types_and_months_are_all_that_is_migrated(two_months):
    two_months.legacy("view", "2026-05", 10)
    done = call(
        two_months,
        "migrate-events --event-types view --months 2026-05",
        "--months 2026-01:2026-02 --json",
    )
    types = done.document["event_types"]
    assert {t: list(v["months"]) for t, v in types.items()} == {"view": ["2026-05"]}


def test_a_dry_run_shows_the_plan_and_changes_nothing(two_months):
    before = cluster_state(two_months)
    done = call(two_months, "usage-events migrate --dry-run")
    assert done.exit_code == 0
    assert "2 monthly indices, 100 events" in done.out
    assert "Nothing was changed" in done.out
    plan = call(two_months, "usage-events migrate --dry-run --json").document
    assert [m["state"] for m in plan["months"]] == ["planned", "planned"]
    assert cluster_state(two_months) == before


def test_no_legacy_events_is_said(usage):
    done = call(usage, "migrate-events")
    assert done.exit_code == 0
    assert "There are no legacy events. The index templates are installed" in done.out


def test_a_failed_month_is_exit_code_1_with_the_command_that_tries_again(two_months):
    stock = two_months.names.events_month("view", "2026-03")
    two_months.client.indices.close(index=stock)
    done = call(two_months, "migrate-events")
    retry = "usage-events migrate --event-types view --months 2026-03"
    assert done.exit_code == 1
    assert "2026-03 view failed:" in done.out and retry in done.out
    assert "Traceback" not in done.out + done.err


def test_a_stopped_run_is_exit_code_3_and_status_shows_how_far_it_is(two_months):
    done = call(
        two_months,
        "migrate-events --event-types view --batch-size 20 --max-batches 1",
    )
    assert done.exit_code == 3
    assert "Stopped: view-2026-03: this run has written 1 batches" in done.out
    status = call(two_months, "usage-events status")
    assert status.exit_code == 0
    (line,) = [line for line in status.out.splitlines() if "copying" in line]
    assert "33" in line and "█" in line and "░" in line
    assert "retry" not in line
    (month,) = [
        m
        for m in call(two_months, "usage-events status --json").document["months"]
        if m["state"] == "copying"
    ]
    assert (month["copied"], month["percent"]) == (20, 33.3)
    assert month["retry"].endswith("--event-types view --months 2026-03")
    assert call(two_months, "migrate-events").exit_code == 0


def test_status_shows_how_many_events_came_after_the_migration(migrated):
    usage, _ = migrated
    sentence = "1 events are not enriched"
    assert sentence not in call(usage, "usage-events status").out
    usage.client.index(
        index=usage.names.events_month("view", "2026-03"),
        body={"timestamp": "2026-03-31T12:00:00", "recid": "abcde-12345"},
        refresh=True,
    )
    assert f"2026-03 view: {sentence}" in call(usage, "usage-events status").out
    months = call(usage, "usage-events status --json").document["months"]
    lacking = {m["month"]: m["not_enriched"] for m in months}
    assert lacking == {"2026-03": 1, "2026-04": 0}


def test_status_shows_enriched_indices_that_are_no_months(usage):
    assert "no usage events yet" in call(usage, "usage-events status").out
    usage.client.index(
        index=f"{usage.names.events_alias('view')}-2026-03-12",
        body={"timestamp": "2026-03-12T12:00:00", "recid": "abcde-12345"},
        refresh=True,
    )
    out = " ".join(call(usage, "usage-events status").out.split())
    assert "1 enriched indices have no month in their names. They hold 1 events" in out
    assert "1 of these events are not enriched" in out and "no usage" not in out
    status = call(usage, "usage-events status --json").document
    assert status["undated"] == {"indices": 1, "events": 1, "not_enriched": 1}
    assert not status["needs_attention"]


def test_a_full_heap_is_exit_code_3(two_months, monkeypatch):
    patience = "STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT"
    monkeypatch.setitem(two_months.app.config, patience, 0.2)
    done = call(two_months, "migrate-events --max-memory-percent 1")
    assert done.exit_code == 3 and "Stopped: The heap of node" in done.out


def test_a_task_does_the_same_and_can_be_followed(two_months):
    done = call(two_months, "migrate-events --async")
    assert done.exit_code == 0
    assert "Sent to Celery as task" in done.out and "status" in done.out
    status = call(two_months, "usage-events status --json").document
    assert {m["state"] for m in status["months"]} == {"done"}
    assert call(two_months, "migrate-events --async --json").document["task"]


def test_bookmarks_are_cleared_with_and_without_the_half_filled_target(two_months):
    target = two_months.names.events_target("view", "2026-03")
    half = "migrate-events --event-types view --batch-size 20 --max-batches 1"
    call(two_months, half)
    done = call(two_months, "usage-events clear-bookmarks --months 2026-03 --json")
    assert done.document == {"cleared": ["view-2026-03"]}
    assert two_months.client.indices.exists(index=target)
    call(two_months, half)
    done = call(two_months, "usage-events clear-bookmarks --fresh-start")
    assert "Cleared: view-2026-03." in done.out
    assert not two_months.client.indices.exists(index=target)
    assert "Nothing to clear" in call(two_months, "usage-events clear-bookmarks").out


def test_every_command_speaks_json(two_months):
    for command in (
        "migrate --dry-run",
        "migrate",
        "status",
        "verify",
        "cleanup --dry-run",
        "clear-bookmarks",
        "rollback --months 2026-03 --yes",
        "migrate --re-enrich subjects",
    ):
        done = call(two_months, f"usage-events {command} --json")
        assert done.document is not None, command


# -- bad input ----------------------------------------------------------------------


def assert_refused(done, sentence, exit_code=2):
    """Check that a command said one clear sentence and nothing else."""
    assert done.exit_code == exit_code, done
    assert sentence in done.err, done.err
    assert done.err.startswith("Error: ") and len(done.err.splitlines()) == 1
    assert done.out == ""


BAD = [
    ("--event-types views", "type 'views'; the event types are view and download."),
    ("--months 2026-13", "'2026-13' is not a month; write YYYY-MM or YYYY-MM:YYYY-MM"),
    ("--months 2026-03:", "'2026-03:' is not a month"),
    ("--months march", "'march' is not a month"),
    ("--months 2999-01", "The month 2999-01 is in the future"),
    ("--months 2026-04:2026-03", "The range '2026-04:2026-03' ends before it begins"),
    ("--batch-size 10001", "The batch size is 10001; it must be from 1 to 10,000"),
    ("--batch-size 0", "The batch size is 0; it must be from 1 to 10,000"),
    ("--max-batches 0", "number of batches is 0; it must be at least 1"),
    ("--max-memory-percent 0", "The memory limit is 0 %; it must be from 1 to 100"),
    ("--max-memory-percent 101", "The memory limit is 101 %; it must be from 1 to 100"),
    ("--re-enrich nothing", "has no breakdown 'nothing'"),
    ("--re-enrich countries", "is read from the event itself"),
    ("--re-enrich subjects --dry-run", "--re-enrich can be combined with"),
    ("--re-enrich subjects --batch-size 5", "--re-enrich can be combined with"),
]


@pytest.fixture(scope="module")
def standing(app, client, names):
    """Return usage events that a refused command leaves alone."""
    remove_statistics(client, names)
    with app.app_context():
        found = Usage(app, client, names, records=10)
        found.legacy("view", "2026-03", 20)
        return found


@pytest.mark.parametrize("how", ["", "--async"])
@pytest.mark.parametrize(("options", "sentence"), BAD)
def test_bad_input_is_one_sentence_and_changes_nothing(
    options, sentence, how, standing
):
    before = cluster_state(standing)
    done = call(standing, "usage-events migrate", options, how)
    assert_refused(done, sentence)
    assert cluster_state(standing) == before


@pytest.mark.parametrize(
    "command", ["status", "verify", "cleanup", "clear-bookmarks", "rollback"]
)
def test_the_other_commands_refuse_bad_months_and_types(command, standing):
    for options, sentence in BAD[:6]:
        months = "" if "months" in options else "--months 2026-03"
        yes = "--yes" if command == "rollback" else ""
        done = call(standing, "usage-events", command, options, months, yes)
        assert_refused(done, sentence)


def test_a_rollback_is_never_for_all_unasked(standing):
    done = call(standing, "usage-events rollback")
    assert_refused(done, "name the months to roll back")


COMMANDS = [
    "migrate-events",
    "migrate-events --async",
    "migrate-events --dry-run",
    "migrate-events --re-enrich subjects",
    "usage-events status",
    "usage-events verify",
    "usage-events cleanup",
    "usage-events clear-bookmarks",
    "usage-events rollback --months 2026-03 --yes",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_cluster_that_is_away_is_one_sentence(command, app, monkeypatch):
    with living_on(app, monkeypatch, ["localhost:1"]):
        assert_refused(run(app, *command.split()), "OpenSearch", exit_code=3)


@pytest.mark.parametrize("command", COMMANDS[:2])
def test_community_events_that_are_not_generated_are_named_with_their_command(
    command, standing, client, names
):
    client.delete(index=names.reindexing, id="community-events-backfill")
    try:
        assert_refused(call(standing, command), "generate-community-events' first")
        assert client.indices.exists(index=names.events_month("view", "2026-03"))
    finally:
        standing._know()


@pytest.mark.parametrize(
    "command", [*COMMANDS[:2], "migrate-events --re-enrich subjects --async"]
)
def test_a_second_migration_is_refused_while_one_runs(command, standing):
    names = standing.names
    lock = ClusterLock(standing.client, names.reindexing, LOCK, "the-first", 60)
    lock.acquire()
    try:
        done = call(standing, command)
        assert_refused(done, "Another run is active (run the-first on ")
        assert "the-first" in call(standing, "usage-events status").out
    finally:
        lock.release()


@contextmanager
def refusing(host, refused):
    """Pass requests on to a cluster, as a security plugin that refuses some.

    Args:
        host: the cluster's host.
        refused: ``(method, beginning of the path)``.
    """

    class Handler(BaseHTTPRequestHandler):
        def _answer(self):
            method, beginning = refused
            if self.command == method and self.path.startswith(beginning):
                return self._send(403, b'{"error":{"reason":"no permissions"}}')
            length = int(self.headers.get("content-length") or 0)
            request = Request(
                f"http://{host}{self.path}",
                data=self.rfile.read(length) if length else None,
                headers={"content-type": self.headers.get("content-type") or ""},
                method=self.command,
            )
            try:
                with urlopen(request) as answer:
                    return self._send(answer.status, answer.read())
            except HTTPError as error:
                return self._send(error.code, error.read())

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

        def _send(self, status, body):
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_missing_rights_to_write_templates_are_named(standing, monkeypatch):
    app, client = standing.app, standing.client
    client.indices.delete_index_template(
        name=f"{standing.names.events_alias('view')}-v2.0.0"
    )
    (host,) = app.config["SEARCH_HOSTS"]
    before = cluster_state(standing)
    with (
        refusing(host, ("PUT", "/_index_template")) as proxy,
        living_on(app, monkeypatch, [proxy]),
    ):
        assert_refused(
            call(standing, "migrate-events"), "'cluster_manage_index_templates'"
        )
    assert cluster_state(standing) == before
    call(standing, "migrate-events --dry-run")


# -- configuration ------------------------------------------------------------------

BAD_CONFIG = [
    ("COMMUNITY_STATS_ENABLED", "yes"),
    ("COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED", 1),
    ("STATS_DASHBOARD_MENU_ENABLED", None),
    ("STATS_DASHBOARD_TEMPLATE_PRIORITY", -1),
    ("STATS_DASHBOARD_STARTUP_TIMEOUT", 0),
    ("STATS_DASHBOARD_REINDEXING_BATCH_SIZE", 10_001),
    ("STATS_DASHBOARD_REINDEXING_BATCH_SIZE", "1000"),
    ("STATS_DASHBOARD_REINDEXING_MAX_BATCHES", 0),
    ("STATS_DASHBOARD_REINDEXING_MAX_MEMORY_PERCENT", 101),
    ("STATS_DASHBOARD_REINDEXING_MAX_MEMORY_PERCENT", True),
    ("STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT", -5),
    ("STATS_DASHBOARD_REINDEXING_WORKER_TIMEOUT", 0),
    ("STATS_DASHBOARD_REINDEXING_SWITCH_TIMEOUT", "long"),
    ("STATS_DASHBOARD_REINDEXING_LOCK_TTL", 0),
    ("STATS_DASHBOARD_MAX_VALUES_PER_DAY", 0),
    ("STATS_DASHBOARD_MAX_RECORD_VALUES_PER_DAY", None),
]


@pytest.mark.parametrize(("name", "value"), BAD_CONFIG)
def test_a_bad_config_value_is_refused_at_start_by_name(name, value):
    app = Flask("site")
    app.config[name] = value
    with pytest.raises(ConfigurationError) as raised:
        InvenioStatsDashboard(app)
    assert str(raised.value).startswith(f"{name} is {value!r}; it must be ")


BAD_SUBCOUNTS = [
    ({"x": {"field": "metadata.no_such"}}, "'metadata.no_such', which records do not"),
    ({"x": {"field": "metadata.title.deeper"}}, "which records do not have"),
    ({"x": {"field": []}}, "has an empty 'field'"),
    ({"x": {"field": 3}}, "has a 'field' that is not a dotted path"),
    ({"x": {"event": "colour"}}, "unknown event field 'colour'"),
    ({"x": {}}, "exactly one of 'field' and 'event'"),
    ({"x": {"field": "access.status", "sow": "top"}}, "unknown option 'sow'"),
    ({"x": {"field": "access.status", "show": "some"}}, "'show' 'some'"),
    ({"x": {"event": "referrer", "extract": "path"}}, "'extract' 'path'"),
    ({"x": {"event": "referrer", "extract": "value"}}, "it must be 'host'"),
    ({"x": {"event": "referrer", "show": "all"}}, "it must be 'top'"),
    ({"X y": {"field": "access.status"}}, "is not a valid key"),
    ({"x": {"field": "metadata.subjects", "text": 5}}, "'text' that is not a string"),
    ({"x": "access.status"}, "must be a dict of options"),
    (["x"], "must be a dict of breakdowns"),
]


@pytest.mark.parametrize(("value", "sentence"), BAD_SUBCOUNTS)
def test_a_bad_breakdown_is_refused_by_name(value, sentence, app):
    from invenio_stats_dashboard.package_templates import record_mapping

    with pytest.raises(ConfigurationError) as raised:
        load(value, record_mapping(app))
    assert sentence in str(raised.value)
    assert str(raised.value).startswith("COMMUNITY_STATS_SUBCOUNTS")
