# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures: a site with a broker and a worker, for all tests of this folder."""

import pytest

from ...helpers.brokers import using_broker
from ...helpers.proxies import Proxy
from ...helpers.services import RabbitMQ
from ...helpers.sites import Site
from ...helpers.usage import Usage


@pytest.fixture(scope="package")
def whole_site(zygote, app, where):
    """Return a site; its worker takes some seconds to start."""
    broker, proxy = RabbitMQ(), Proxy(app.config["SEARCH_HOSTS"][0])
    site = Site(zygote, where, broker, proxy)
    try:
        broker.start()
        yield site
    finally:
        site.close()
        proxy.close()
        broker.remove()


@pytest.fixture()
def site(whole_site, fresh, client, names, monkeypatch):
    """Return the site with empty queues and no usage events."""
    client.indices.delete(index=f"{names.prefix}backup-*", ignore=[404])
    broker = whole_site.broker.url
    with fresh.app_context(), using_broker(monkeypatch, broker):
        whole_site.declare()
        whole_site.worker()
        whole_site.usage = Usage(fresh, client, names)
        yield whole_site
