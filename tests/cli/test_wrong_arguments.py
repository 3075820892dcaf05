# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Wrong options and outputs that cannot be written end with a sentence."""

import errno
import io
import json
import os
import sys
import threading

import click
import pytest
import sqlalchemy as sa

from invenio_stats_dashboard.cli.output import sentences_for_errors

from ..helpers.commands import run

RE_ENRICH = "migrate-events --re-enrich subjects"
WRONG = [
    (["migrate-events", "--re-enrich", ""], "no breakdown ''"),
    (["migrate-events", "--months", "2026-03\n"], "is not a month"),
    (["migrate-events", "--months", "٢٠٢٦-03"], "is not a month"),
    (["migrate-events", "--months", ""], "is not a month"),
    (["migrate-events", "--event-types", ""], "Unknown event type ''"),
    ([*RE_ENRICH.split(), "--batch-size", "0"], "--re-enrich can be combined"),
    ([*RE_ENRICH.split(), "--max-memory-percent", "0"], "--re-enrich can be combined"),
    ([*RE_ENRICH.split(), "--max-batches", "0"], "--re-enrich can be combined"),
    ([*RE_ENRICH.split(), "--fresh-start"], "--re-enrich can be combined"),
    (["migrate-events", "--batch-size", "0"], "0"),
    (["migrate-events", "--max-memory-percent", "0"], "0"),
    (["usage-events", "status", "--months", "2026-03\n"], "is not a month"),
    (["aggregate", "--start-date", "2026-03-01T00:00"], "write it as YYYY-MM-DD"),
    (["aggregate", "--start-date", ""], "write it as YYYY-MM-DD"),
    (["aggregate", "--end-date", "20260301"], "write it as YYYY-MM-DD"),
    (["aggregate", "--end-date", "2026-W10-1"], "write it as YYYY-MM-DD"),
    (["aggregate", "--community", ""], "no community ''"),
    (["generate-community-events", "--start-date", ""], "write it as YYYY-MM-DD"),
    (["generate-community-events", "--end-date", "2026-03-01 00"], "YYYY-MM-DD"),
    (["generate-community-events", "--record", ""], "no published record ''"),
    (
        ["read", "--family", "usage-delta", "--start-date", ""],
        "write it as YYYY-MM-DD",
    ),
    (["read", "--family", "usage-delta", "--community", ""], "''"),
    (["counter-report", "--month", "2026-03\n"], "is not a month"),
    (["counter-report", "--month", "2026-03", "--output", ""], "--output is empty"),
    (["status", "--community", ""], "''"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG)
def test_a_wrong_option_ends_with_exit_code_2_and_a_sentence(words, sentence, fresh):
    done = run(fresh, *words)
    assert done.exit_code == 2, done
    assert "Error: " in done.err and sentence in done.err


COMMANDS = [
    ["counter-report", "--month", "2026-03", "--community", "nobody"],
    ["read", "--family", "usage-delta", "--community", "nobody"],
    ["aggregate", "--community", "nobody"],
    ["status"],
    ["community-events", "status"],
    ["database-indexes", "status"],
    ["database-indexes", "drop"],
    ["generate-community-events", "--record", "x"],
]


@pytest.fixture()
def without_database(fresh, monkeypatch):
    """Return the app, whose database does not answer."""
    from invenio_db import db

    url = db.engine.url.set(port=1)
    away = sa.create_engine(url, connect_args={"connect_timeout": 2})
    db.session.remove()
    engines = db._app_engines[fresh]
    monkeypatch.setitem(engines, None, away)
    yield fresh
    db.session.remove()


@pytest.mark.parametrize("words", COMMANDS)
def test_a_database_that_does_not_answer_gets_a_sentence(words, without_database):
    done = run(without_database, *words)
    assert done.exit_code == 3, done
    assert "The database did not answer" in done.err


class Full(io.TextIOWrapper):
    """A stream to a disk without space."""

    def __init__(self):
        """Write nowhere."""
        super().__init__(io.BytesIO(), encoding="utf-8")

    def write(self, text):
        """Refuse."""
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_output_that_cannot_be_written_gets_a_sentence(monkeypatch, capsys):
    @sentences_for_errors
    def command():
        click.echo("text")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit) as raised:
        command()
    assert raised.value.code == 1
    assert "cannot be written: No space left on device" in capsys.readouterr().err


def test_a_report_is_written_to_a_pipe_and_does_not_replace_it(fresh, tmp_path):
    # never the path of a device itself: a failure of this rule would replace it
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.daemon = True  # nobody may ever write
    reader.start()
    arguments = ("counter-report", "--month", "2026-03", "--output")
    done = run(fresh, *arguments, str(pipe))
    assert done.exit_code == 0 and pipe.is_fifo(), done
    reader.join(timeout=30)
    assert json.loads(received[0])["report-datasets"] == []


def test_a_report_is_written_through_a_link_such_as_standard_output(fresh, tmp_path):
    link, file = tmp_path / "link", tmp_path / "file"
    file.touch()
    link.symlink_to(file)
    arguments = ("counter-report", "--month", "2026-03", "--output")
    done = run(fresh, *arguments, str(link))
    assert done.exit_code == 0 and link.is_symlink(), done
    assert json.loads(file.read_text())["report-datasets"] == []


def test_a_full_disk_gets_a_sentence(fresh, tmp_path):
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    done = run(fresh, "counter-report", "--month", "2026-03", "--output", str(full))
    assert done.exit_code == 1
    assert "cannot be written: No space left on device" in done.err


def test_a_failing_disk_leaves_no_incomplete_report(fresh, tmp_path):
    path = tmp_path / "none" / "report.json"
    done = run(fresh, "counter-report", "--month", "2026-03", "--output", str(path))
    assert done.exit_code == 2 and f"{path} cannot be written" in done.err
