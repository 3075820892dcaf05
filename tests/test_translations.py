# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Every text of Python and templates is in each catalogue, translated and compiled."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from flask_babel import force_locale, gettext, pgettext

ROOT = Path(__file__).parent.parent
CATALOGUES = ROOT / "invenio_stats_dashboard" / "translations"
LANGUAGES = ("de", "fr")


def catalogue(language):
    path = CATALOGUES / language / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        return read_po(file, locale=language)


@pytest.fixture(scope="module")
def texts():
    with (ROOT / "babel.ini").open() as file:
        methods, options = parse_mapping_cfg(file)
    # patterns are of paths from the root, as scripts/messages calls it
    found = extract_from_dir(ROOT / "invenio_stats_dashboard", methods, options)
    return {(context, text) for _, _, text, _, context in found}


def test_texts_are_found(texts):
    wanted = {"Views", "Statistics of {community}", "as a table (CSV)"}
    assert {(None, text) for text in wanted} <= texts


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_is_complete(texts, language):
    messages = {(m.context, m.id): m for m in catalogue(language) if m.id}
    assert texts - set(messages) == set(), "call scripts/messages"
    assert set(messages) - texts == set(), "call scripts/messages"
    assert [id for id, m in messages.items() if not m.string or m.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_same_placeholders(language):
    for message in catalogue(language):
        if message.id:
            wanted = re.findall(r"{\w+}|%\(\w+\)s", message.id)
            assert re.findall(r"{\w+}|%\(\w+\)s", message.string) == wanted, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogue_is_up_to_date(language):
    path = CATALOGUES / language / "LC_MESSAGES" / "messages.mo"
    again = BytesIO()
    write_mo(again, catalogue(language))
    again.seek(0)
    with path.open("rb") as file:
        compiled = {(m.context, m.id): m.string for m in read_mo(file) if m.id}
    assert compiled == {(m.context, m.id): m.string for m in read_mo(again) if m.id}


@pytest.mark.parametrize("language", LANGUAGES)
def test_other_modules_have_no_different_translation_of_a_text(app, language):
    # the catalogues are merged, so one of two different translations is never used
    with app.test_request_context(), force_locale(language):
        found = {
            (m.context, m.id): pgettext(m.context, m.id) if m.context else gettext(m.id)
            for m in catalogue(language)
            if m.id
        }
    wanted = {(m.context, m.id): m.string for m in catalogue(language) if m.id}
    differing = {key: text for key, text in found.items() if text != wanted[key]}
    assert differing == {}, "give it a context: pgettext"
