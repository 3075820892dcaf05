# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""An operator migrates months, without any fault."""

from ..helpers.usage import Reader, Writer, native


def test_past_month_is_migrated_with_every_event_seen_once(usage):
    events = usage.legacy("view", "2026-03", 500)
    with Reader(usage, "view", len(events)) as reader:
        report = usage.migrate()
    month = report["event_types"]["view"]["months"]["2026-03"]
    assert report["completed"], report
    assert month["state"] == "done"
    assert month["events_source"] == month["events_target"] == len(events)
    assert month["verified"] == {"count": True, "checksum": True, "enrichment": True}
    assert reader.polls > 10
    assert reader.wrong == []
    usage.assert_enriched_once(events)


def test_legacy_data_lives_on_as_backup_in_no_read_alias(usage):
    events = usage.legacy("download", "2026-03", 300)
    usage.migrate()
    backup = usage.names.events_backup("download", "2026-03")
    found = usage.client.indices.get(index=backup)[backup]
    assert found["aliases"] == {}
    stored = dict(usage.seen(index=backup))
    assert {id: native(source) for id, source in stored.items()} == events


def test_writer_and_reader_notice_nothing_of_a_current_month(usage):
    month = "2026-11"
    events = usage.legacy("view", month, 500)
    with Writer(usage, "view", month) as writer:
        with Reader(usage, "view", len(events), writer) as reader:
            report = usage.migrate(ignore_stock_workers=True)
        assert report["completed"], report
    written = writer.written
    assert reader.wrong == []
    usage.client.indices.refresh(index=usage.names.events_alias("view"))
    ids = {id for id, _ in usage.seen()}
    assert ids == set(events) | set(written)
    assert len(usage.seen()) == len(ids)


def test_second_run_changes_nothing(usage):
    usage.legacy("view", "2026-03", 400)
    usage.migrate()
    target = usage.names.events_target("view", "2026-03")
    before = usage.client.indices.get(index=target), usage.state("view", "2026-03")
    report = usage.migrate()
    assert report["completed"] and report["events_copied"] == 0
    after = usage.client.indices.get(index=target), usage.state("view", "2026-03")
    assert before == after
