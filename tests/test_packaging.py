# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What a package index shows is complete, and its links lead somewhere."""

import re
import runpy
from configparser import ConfigParser
from email.message import Message

import pytest

from scripts.check_package import LABELS, ROOT, link_problems, metadata_problems

SETUP = runpy.run_path(str(ROOT / "setup.py"))
REPOSITORY = SETUP["repository"]()


def metadata(**changes):
    """Return the metadata of a wheel with some fields replaced; None removes one."""
    fields = {
        "Project-URL": [f"{label}, {REPOSITORY}" for label in sorted(LABELS)],
        "License-Expression": ["MIT"],
        "Requires-Python": [">=3.11"],
        "Description-Content-Type": ["text/markdown"],
    }
    message = Message()
    for name, values in {**fields, **changes}.items():
        for value in values or ():
            message[name] = value
    message.set_payload(SETUP["long_description"]())
    return message


def test_long_description_has_only_links_that_work():
    text = SETUP["long_description"]()
    assert list(link_problems(text, REPOSITORY)) == []
    assert f"{REPOSITORY}/raw/v" in text
    assert f"{REPOSITORY}/blob/v" in text


@pytest.mark.parametrize("target", ["docs/install.md", "#install", "images/a.png"])
def test_relative_link_is_a_problem(target):
    assert list(link_problems(f"[text]({target})", REPOSITORY))


def test_link_to_a_missing_file_is_a_problem():
    target = f"{REPOSITORY}/blob/v1.0/docs/missing.md#part"
    assert list(link_problems(f"[text]({target})", REPOSITORY))


def test_complete_metadata_has_no_problem():
    assert list(metadata_problems(metadata())) == []


@pytest.mark.parametrize(
    "field",
    [
        "Project-URL",
        "License-Expression",
        "Requires-Python",
        "Description-Content-Type",
    ],
)
def test_missing_metadata_is_a_problem(field):
    assert list(metadata_problems(metadata(**{field: None})))


def test_all_addresses_of_the_repository_are_of_one():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    urls = re.findall(r"https://\S+", config["metadata"]["project_urls"])
    assert len(urls) == len(LABELS)
    assert all(url.startswith(REPOSITORY) for url in urls)


@pytest.mark.parametrize("page", ["README.md", "CHANGES.md", "CONTRIBUTING.md"])
def test_links_of_the_pages_at_the_top_lead_to_headings(page):
    text = (ROOT / page).read_text()
    for path, _, anchor in re.findall(r"\]\((?!https://)([^)#]+)(#([^)]+))?\)", text):
        linked = ROOT / path
        assert linked.is_file(), path
        assert not anchor or anchor in anchors(linked.read_text()), f"{path}#{anchor}"


def anchors(text):
    """Return the anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles]
