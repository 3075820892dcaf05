# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Temporary files of workbooks are in one folder and are removed, even after a kill."""

import os
import signal
import threading
from contextlib import ExitStack
from datetime import date
from functools import partial

import pytest

from invenio_stats_dashboard.errors import StatsDashboardError
from invenio_stats_dashboard.queries.query import Interval, SeriesRow
from invenio_stats_dashboard.resources import temporary_files
from invenio_stats_dashboard.resources.serializers.xlsx import write_xlsx
from invenio_stats_dashboard.resources.temporary_files import (
    AT_ONCE,
    FOLDER,
    TemporaryFiles,
    TooManyFilesError,
)

from ..helpers.processes import Forked

DAY = Interval(date(2024, 1, 1), date(2024, 1, 1))


@pytest.fixture()
def path(site):
    """Return the path of a workbook."""
    return f"/stats-dashboard/communities/{site.slugs['open']}?range=30d&format=xlsx"


@pytest.fixture()
def folder(site, tmp_path, monkeypatch):
    """Return the folder of temporary files, which does not exist yet."""
    folder = tmp_path / "one" / "files"
    monkeypatch.setitem(site.app.config, FOLDER, str(folder))
    return folder


class Writer:
    """Another process in the middle of a workbook.

    Args:
        app: the application.
        folder: the folder of temporary files.
    """

    def __init__(self, app, folder):
        before = set(files_in(folder))
        reading, writing = os.pipe()
        self._process = Forked(app, partial(write_forever, folder, writing))
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read(1) == b"w"
        self.files = [file for file in files_in(folder) if file not in before]

    def kill(self):
        """Kill the process, which cannot remove anything."""
        self._process.kill()
        self._process.wait()


def write_forever(folder, pipe):
    """Begin a workbook, write a byte to a pipe, and wait to be killed."""

    def rows():
        for number in range(1001):
            if number == 1000:
                os.write(pipe, b"w")
                signal.pause()
            yield SeriesRow("current", "views", None, None, DAY, number), "Views"

    files = TemporaryFiles({FOLDER: str(folder), AT_ONCE: 1})
    with files.work_folder() as path, open(path / "workbook", "wb") as file:
        write_xlsx(file, [("x",)], {None: "Totals"}, rows(), folder=path)


def files_in(folder):
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_a_killed_process_leaves_is_removed_by_the_next_request(
    app, folder, path, anyone
):
    killed, living = Writer(app, folder), Writer(app, folder)
    try:
        killed.kill()
        assert len(killed.files) > 1 and all(file.exists() for file in killed.files)
        assert anyone.get(path).status_code == 200
        assert not any(file.exists() for file in killed.files)
        assert len(living.files) > 1 and all(file.exists() for file in living.files)
    finally:
        living.kill()
    assert anyone.get(path).status_code == 200
    assert list(folder.iterdir()) == []


def test_nothing_else_in_the_folder_is_removed(folder, path, anyone):
    (folder / "of-the-site").mkdir(parents=True)
    (folder / "notes.txt").touch()
    assert anyone.get(path).status_code == 200
    assert {item.name for item in folder.iterdir()} == {"of-the-site", "notes.txt"}


def test_all_temporary_files_are_in_the_folder(folder, path, anyone, monkeypatch):
    monkeypatch.setattr(temporary_files.tempfile, "tempdir", "/nowhere")
    assert anyone.get(path).status_code == 200
    assert list(folder.iterdir()) == []


def test_a_workbook_that_fails_leaves_nothing(folder, path, site, anyone, monkeypatch):
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_FILE_VALUES_GUEST", 60)
    monkeypatch.setattr(
        "invenio_stats_dashboard.resources.file_limits.estimated_values", lambda _: 0
    )
    answer = anyone.get(f"{path}&breakdown=countries&top=all")
    assert answer.status_code == 400 and "more values than allowed" in answer.text
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_folder_that_another_process_removes_is_not_used(
    moment, tmp_path, monkeypatch
):
    original, made = temporary_files._locked, []

    def locked(path):
        made.append(path)
        is_first = len(made) == 1
        if is_first and moment == "before":
            path.rmdir()
        lock = original(path)
        if is_first and moment == "after":
            path.rmdir()
        return lock

    monkeypatch.setattr(temporary_files, "_locked", locked)
    with TemporaryFiles({FOLDER: str(tmp_path), AT_ONCE: 1}).work_folder() as found:
        assert found == made[1] and found.is_dir()


def test_a_folder_of_another_user_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary_files.tempfile, "tempdir", str(tmp_path))
    files = TemporaryFiles({FOLDER: None, AT_ONCE: 1})
    with files.work_folder() as found:
        base = found.parent
    assert base.parent == tmp_path and base.stat().st_mode & 0o777 == 0o700
    base.rmdir()
    (tmp_path / "elsewhere").mkdir()
    base.symlink_to(tmp_path / "elsewhere")
    refused = pytest.raises(StatsDashboardError, match="belongs to another user")
    with refused, files.work_folder():
        pass


def test_a_process_creates_a_few_workbooks_at_a_time(tmp_path):
    files = TemporaryFiles({FOLDER: str(tmp_path), AT_ONCE: 2})
    with files.work_folder():
        with ExitStack() as second:
            second.enter_context(files.work_folder())
            with pytest.raises(TooManyFilesError), files.work_folder():
                pass
        with files.work_folder():
            pass


def test_another_workbook_is_refused_with_the_time_of_the_next_attempt(
    folder, path, site, anyone, monkeypatch
):
    monkeypatch.setitem(site.app.config, AT_ONCE, 1)
    item = "invenio_stats_dashboard.services.results.CommunityStatsItem.series_rows"
    reading, proceed, answers = threading.Event(), threading.Event(), []

    def rows(self, query, check):
        reading.set()
        assert proceed.wait(10)
        yield from ()

    monkeypatch.setattr(item, rows)
    first = threading.Thread(
        target=lambda: answers.append(site.as_("anyone").get(path))
    )
    first.start()
    try:
        assert reading.wait(60)
        refused = anyone.get(path)
        assert anyone.head(path).status_code == 200
    finally:
        proceed.set()
        first.join()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.json["message"] == (
        "The server is creating other workbooks. Try again in a minute, or use "
        "format=csv."
    )
    assert answers[0].status_code == 200
    assert anyone.get(path).status_code == 200
