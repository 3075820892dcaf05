# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Builds of the pages' JavaScript are cached for all copies of the repository."""

import json
import os

import pytest

from scripts.site import cache


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Let the cache be in a folder of the test."""
    monkeypatch.setenv("SITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(static, content="1"):
    """Make the static files of a build."""
    (static / "dist").mkdir(parents=True)
    (static / "dist" / "main.js").write_text(content)
    asset = {"path": str(static / "dist" / "main.js")}
    (static / "dist" / "manifest.json").write_text(json.dumps(asset))


def test_a_build_is_there_for_another_copy_under_its_own_path(tmp_path):
    build(tmp_path / "one")
    cache.keep("abc", tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "old.js").touch()
    assert cache.restore("abc", tmp_path / "two")
    assert (tmp_path / "two" / "dist" / "main.js").read_text() == "1"
    assert not (tmp_path / "two" / "old.js").exists()
    manifest = json.loads((tmp_path / "two" / "dist" / "manifest.json").read_text())
    assert manifest == {"path": str(tmp_path / "two" / "dist" / "main.js")}


def test_nothing_is_taken_from_other_sources(tmp_path):
    build(tmp_path / "one")
    cache.keep("abc", tmp_path / "one")
    assert not cache.restore("abd", tmp_path / "one")
    assert (tmp_path / "one" / "dist" / "main.js").exists()


def test_the_builds_that_were_used_last_are_retained(tmp_path, folder):
    build(tmp_path / "one")
    for number in range(cache.BUILDS):
        cache.keep(f"build {number}", tmp_path / "one")
        os.utime(folder / f"build {number}", (number, number))
    assert cache.restore("build 0", tmp_path / "two")
    cache.keep("another", tmp_path / "one")
    names = {path.name for path in folder.iterdir()}
    assert names == {"another", "build 0", "build 2"}


def test_without_a_folder_that_can_be_written_nothing_is_cached(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SITE_CACHE", str(tmp_path / "file" / "cache"))
    build(tmp_path / "one")
    cache.keep("abc", tmp_path / "one")
    assert not cache.restore("abc", tmp_path / "two")


def test_a_build_that_is_cached_already_is_not_made_again(tmp_path, folder):
    build(tmp_path / "one")
    cache.keep("abc", tmp_path / "one")
    build(tmp_path / "two", content="2")
    cache.keep("abc", tmp_path / "two")
    assert (folder / "abc" / "dist" / "main.js").read_text() == "1"
    assert [path.name for path in folder.iterdir()] == ["abc"]
