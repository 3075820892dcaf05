# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The server renders the pages on a site whose JavaScript was not built.

Building takes minutes, too long to run with each version of InvenioRDM.
"""

from collections import defaultdict

import pytest
from invenio_app.factory import create_ui

from ..helpers import content, instance
from .test_pages import Visitor


class NothingBuilt:
    """Finds an empty file for everything that a template takes from the build."""

    def load(self, path):
        """Return the files by name."""
        return defaultdict(str)


@pytest.fixture(scope="module")
def unbuilt(app, where):
    """Return the application of the pages, on the session's instance."""
    return instance.create(
        where, factory=create_ui, WEBPACKEXT_MANIFEST_LOADER=NothingBuilt
    )


def test_the_page_of_the_instance_has_the_data_for_its_javascript(fresh, unbuilt):
    with unbuilt.test_client() as client:
        data = Visitor(client).data("/stats")
    assert data["endpoint"] == "/api/stats-dashboard/global"
    assert data["community"] is None


def test_the_page_of_a_community_has_its_data_and_the_tab_of_its_header(fresh, unbuilt):
    with fresh.app_context():
        content.make_community(slug="harbour")
    with unbuilt.test_client() as client:
        visitor = Visitor(client)
        data = visitor.data("/communities/harbour/stats")
        answer = visitor.get("/communities/harbour/stats")
    assert data["endpoint"] == "/api/stats-dashboard/communities/harbour"
    assert 'href="/communities/harbour/stats"' in answer.text
