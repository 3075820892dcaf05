# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of all tests.

Each process that runs tests has one application, because building it takes long, with
its own database and index prefix. Tests that need no service need none of these
fixtures.
"""

import os

import pytest
from hypothesis import settings
from opensearchpy import OpenSearch

from invenio_stats_dashboard.community_events import capture
from invenio_stats_dashboard.search.names import Names
from invenio_stats_dashboard.tasks import send_capture

from .helpers import balance, content, instance, sampling, tiers
from .helpers import website as websites
from .helpers.cluster import Cluster
from .helpers.costs import Costs
from .helpers.dates import cache_parsed_dates
from .helpers.known import KnownRecords
from .helpers.layers import Layers
from .helpers.prepared import Prepared
from .helpers.progress import Progress
from .helpers.time_limits import TimeLimits
from .helpers.vocabularies import make_vocabularies
from .helpers.zygote import Zygote, polars_runs

# The duration of one example says nothing on a busy machine.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


def pytest_addoption(parser):
    """Add the options of these tests."""
    sampling.add_options(parser)


def pytest_report_header(config):
    """Show what is chosen by chance."""
    return sampling.header(config)


def pytest_configure(config):
    """Prepare this process for running tests, possibly beside other processes."""
    sampling.choose_seed(config)
    balance.have_services_of_its_own(os.environ)
    config.pluginmanager.register(Costs(), "costs")
    config.pluginmanager.register(TimeLimits(), "time limits")
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config), "progress")


def pytest_xdist_make_scheduler(config, log):
    """Assign all tests of a group to one process."""
    return balance.Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Order tests and mark them with their tiers, before any are left out."""
    for item in items:
        tiers.mark(item)
        balance.mark(item)
    if not config.getoption("--all-kills") and (left := sampling.leave_out(items)):
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]
    items[:] = balance.in_order(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """Run an exclusive test alone."""
    tiers.begin(tiers.tier_of(item))
    if tiers.tier_of(item) == tiers.UNIT:
        return (yield)
    with balance.turn(item.get_closest_marker(balance.EXCLUSIVE) is not None):
        return (yield)


@pytest.fixture(autouse=True)
def only_what_the_tier_allows(request, monkeypatch):
    """Make a unit test fail if it connects to a service."""
    if tiers.tier_of(request.node) == tiers.UNIT:
        tiers.refuse_connections(monkeypatch)
    elif request.node.get_closest_marker(balance.EXCLUSIVE) is None:
        balance.refuse_changes_of_the_cluster(monkeypatch)


@pytest.fixture()
def alone():
    """Run a test beside no other test, because it touches what all tests share."""


@pytest.fixture(scope="session")
def where():
    """Return the place of the session's instance."""
    try:
        with instance.place() as place:
            yield place
    except instance.ServicesMissingError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def application(where):
    """Make the application with tables, indices and few vocabularies, and fork it.

    Yields the application and its fork; None if it can no longer be forked.
    """
    cache_parsed_dates()
    app = instance.create(where)
    instance.initialise(app, where)
    capture.install(_ignore)
    with app.app_context():
        make_vocabularies()
    fork = None if polars_runs() else Zygote.forked(app)
    yield app, fork
    if fork:
        fork.end()


@pytest.fixture(scope="session")
def app(application):
    """Return the application of the tests that this process runs."""
    return application[0]


def _ignore(**_):
    """Leave a change of memberships to the back-fill that a test exercises."""


@pytest.fixture(autouse=True)
def not_captured(monkeypatch):
    """Capture no changes of memberships, no matter which application was built last."""
    monkeypatch.setattr(capture.Watcher, "send", staticmethod(_ignore))


@pytest.fixture()
def watched(app, not_captured, monkeypatch):
    """Capture changes of memberships as in production, in this process."""
    monkeypatch.setattr(capture.Watcher, "send", staticmethod(send_capture))
    # pytest-flask has an open request that never gets a response
    monkeypatch.setattr(capture, "has_request_context", lambda: False)
    return app


@pytest.fixture()
def capturing(fresh, watched):
    """Give a test an empty instance that captures changes of memberships."""
    return fresh


@pytest.fixture(scope="session")
def website():
    """Return a whole InvenioRDM for browsers; its content must not be changed."""
    try:
        with websites.website() as site:
            yield site
    except instance.ServicesMissingError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def names(where):
    """Return the index names of the instance."""
    return Names(where.prefix)


@pytest.fixture(scope="session")
def client(app):
    """Return an OpenSearch client that decodes responses."""
    return OpenSearch(app.config["SEARCH_HOSTS"], timeout=60)


@pytest.fixture(scope="session")
def prepared(client, names):
    """Return the store of the last prepared instance, valid until a test changes it."""
    return Prepared(client, names)


@pytest.fixture(scope="session")
def layers(client, names):
    """Return the store of layers of prepared instances, each valid until it changes."""
    return Layers(client, names)


@pytest.fixture(scope="session")
def known_records(app, client, names):
    """Return the store of known records, which stay until a test changes them."""
    return KnownRecords(app, client, names)


@pytest.fixture()
def fresh(app, client, names):
    """Give a test an instance without records, communities and statistics."""
    with app.app_context():
        content.remove_content()
    remove_statistics(client, names)
    return app


@pytest.fixture(scope="session")
def zygote(application, where):
    """Return a process whose children can aggregate and be killed."""
    _, fork = application
    if fork:
        yield fork
        return
    process = Zygote.started(where)
    yield process
    process.end()


@pytest.fixture(scope="session")
def nodes():
    """Return an OpenSearch cluster of two nodes that only this session uses."""
    cluster = Cluster(nodes=2)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture()
def cluster(nodes):
    """Return the session's own cluster, emptied."""
    nodes.empty()
    return nodes


def remove_statistics(client, names):
    """Delete all indices of usage events and of this package; templates stay."""
    client.indices.delete(
        index=f"{names.prefix}*stats-*", expand_wildcards="all", ignore=[404]
    )
