# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of all tests.

One application a session, since it takes a quarter of a minute to build; a
database and an index prefix of its own. Tests that need no service need none of
these fixtures.
"""

import pytest
from opensearchpy import OpenSearch

from invenio_stats_dashboard.community_events import capture
from invenio_stats_dashboard.search.names import Names
from invenio_stats_dashboard.tasks import send_capture

from .helpers import content, instance, website
from .helpers.cluster import Cluster
from .helpers.vocabularies import make_vocabularies
from .helpers.zygote import Zygote


@pytest.fixture(scope="session")
def where():
    """Return the place of the session's instance."""
    try:
        with instance.place() as place:
            yield place
    except instance.ServicesMissingError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def app(where):
    """Return the session's application, with tables, indices, few vocabularies."""
    app = instance.create(where)
    instance.initialise(app, where)
    capture.install(_ignore)
    with app.app_context():
        make_vocabularies()
    return app


def _ignore(**_):
    """Leave a change of memberships to the back-fill that a test is about."""


@pytest.fixture(autouse=True)
def not_captured(monkeypatch):
    """Leave changes of memberships alone, whichever application was built last."""
    monkeypatch.setattr(capture.Watcher, "send", staticmethod(_ignore))


@pytest.fixture()
def capturing(fresh, monkeypatch):
    """Let changes of memberships be captured as in production, in this process."""
    monkeypatch.setattr(capture.Watcher, "send", staticmethod(send_capture))
    # pytest-flask has a request under way that is never answered
    monkeypatch.setattr(capture, "has_request_context", lambda: False)
    return fresh


@pytest.fixture(scope="session")
def site():
    """Return a whole InvenioRDM that answers browsers; nobody changes its content."""
    try:
        with website.website() as site:
            yield site
    except instance.ServicesMissingError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def names(where):
    """Return the index names of the instance."""
    return Names(where.prefix)


@pytest.fixture(scope="session")
def client(app):
    """Return an ordinary OpenSearch client."""
    return OpenSearch(app.config["SEARCH_HOSTS"], timeout=60)


@pytest.fixture()
def fresh(app, client, names):
    """Give a test an instance without records, communities and statistics."""
    with app.app_context():
        content.remove_content()
    remove_statistics(client, names)
    return app


@pytest.fixture(scope="session")
def zygote(app, where):
    """Return a process whose children can aggregate, and be killed."""
    process = Zygote(where)
    yield process
    process.end()


@pytest.fixture(scope="session")
def nodes():
    """Return a search cluster of two nodes, for this session alone."""
    cluster = Cluster(nodes=2)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture()
def cluster(nodes):
    """Return the session's own cluster, with nothing in it."""
    nodes.empty()
    return nodes


def remove_statistics(client, names):
    """Delete all indices of usage events and of this package; templates stay."""
    client.indices.delete(
        index=f"{names.prefix}*stats-*", expand_wildcards="all", ignore=[404]
    )
