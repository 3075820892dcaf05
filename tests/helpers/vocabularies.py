# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create the few vocabulary terms that records of tests use.

The full fixtures take minutes and contain thousands of languages.
"""

from invenio_access.permissions import system_identity
from invenio_records_resources.proxies import current_service_registry
from invenio_vocabularies.proxies import current_service as vocabularies

_TERMS = {
    ("languages", "lng"): [
        {"id": "eng", "title": {"en": "English"}, "props": {"alpha_2": "en"}},
        {"id": "dan", "title": {"en": "Danish"}, "props": {"alpha_2": "da"}},
    ],
    ("resourcetypes", "rsrct"): [
        {
            "id": id_,
            "title": {"en": title},
            "icon": "file",
            "props": {"type": type_, "subtype": subtype},
            "tags": ["depositable", "linkable"],
        }
        for id_, title, type_, subtype in (
            ("publication", "Publication", "publication", ""),
            ("publication-article", "Article", "publication", "publication-article"),
            ("dataset", "Dataset", "dataset", ""),
        )
    ],
    ("licenses", "lic"): [
        {
            "id": "cc-by-4.0",
            "title": {"en": "Creative Commons Attribution 4.0 International"},
            "description": {"en": "It permits almost any use."},
            "tags": ["recommended"],
            "props": {"url": "https://creativecommons.org", "scheme": "spdx"},
        },
    ],
    ("creatorsroles", "crr"): [{"id": "editor", "title": {"en": "Editor"}}],
    ("contributorsroles", "cor"): [
        {"id": "datacurator", "title": {"en": "Data curator"}}
    ],
    ("removalreasons", "rem"): [
        {
            "id": "duplicate",
            "title": {"en": "Duplicate"},
            "tags": ["deletion-request"],
        },
    ],
    ("communitytypes", "comtyp"): [{"id": "topic", "title": {"en": "Topic"}}],
}


_CONTRIBUTED = {
    "affiliations": [{"id": "01ggx4157", "name": "CERN", "title": {"en": "CERN"}}],
    "funders": [
        {"id": "00k4n6c32", "name": "European Commission", "country": "BE"},
    ],
    "subjects": [
        {"id": "https://example.org/cats", "scheme": "EX", "subject": "Cats"},
    ],
}


def make_vocabularies():
    """Create the terms; needs an application context."""
    for (name, pid_type), terms in _TERMS.items():
        vocabularies.create_type(system_identity, name, pid_type)
        for term in terms:
            vocabularies.create(system_identity, {**term, "type": name})
    vocabularies.indexer.refresh()
    for name, terms in _CONTRIBUTED.items():
        service = current_service_registry.get(name)
        for term in terms:
            service.create(system_identity, term)
        service.indexer.refresh()
