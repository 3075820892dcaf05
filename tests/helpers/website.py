# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run a whole InvenioRDM for browsers, with a small history and its aggregates.

It has its own database, prefix and port. ``scripts/build-site`` builds the JavaScript
if it does not exist or is older than its sources.
"""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch
from werkzeug.serving import select_address_family

from invenio_stats_dashboard.custom_fields import (
    DASHBOARD_CUSTOM_FIELDS,
    DASHBOARD_CUSTOM_FIELDS_UI,
    DASHBOARD_NAMESPACE,
    ENABLED,
)
from invenio_stats_dashboard.search.names import Names

from . import content, instance
from .dates import cache_parsed_dates
from .serving import serving
from .vocabularies import make_vocabularies

PASSWORD = "a password of a test"

DAYS = 45
"""Days of usage, up to yesterday."""

SECURITY_POLICY = {
    "default-src": ["'self'", "data:", "'unsafe-inline'", "blob:"],
    "script-src": ["'self'", "blob:", "'wasm-unsafe-eval'"],
}
"""The content policy of a new InvenioRDM: no scripts in a page or from elsewhere."""


@dataclass
class Website:
    """The site.

    Attributes:
        app: the application of the pages.
        url: its address, without a slash at the end.
        client: decodes responses.
        names: its index names.
        communities: name -> UUID.
        slugs: name -> slug.
        users: name -> email address; the password is :data:`PASSWORD`.
        records: recids of the records of ``harbour``.
        parents: recids of their parents.
        events: kind -> sources of the usage events.
    """

    app: object
    url: str
    client: OpenSearch
    names: Names
    communities: dict = field(default_factory=dict)
    slugs: dict = field(default_factory=dict)
    users: dict = field(default_factory=dict)
    records: list = field(default_factory=list)
    parents: list = field(default_factory=list)
    events: dict = field(default_factory=dict)

    def page(self, name):
        """Return the path of a community's statistics page."""
        return f"/communities/{self.slugs[name]}/stats"


@contextmanager
def website():
    """Build, fill and serve a site; stop and remove it at the end.

    Raises:
        ServicesMissingError: names the missing variable and the command that sets it.
    """
    cache_parsed_dates()
    static = _static_files()
    with instance.place() as where:
        # binding a socket now reserves the port for the configuration
        listening = _listen()
        port = listening.getsockname()[1]
        app = create(where, f"http://127.0.0.1:{port}", static)
        instance.initialise(app, where)
        map_custom_fields(app)
        client = OpenSearch(app.config["SEARCH_HOSTS"], timeout=60)
        site = Website(app, f"http://127.0.0.1:{port}", client, Names(where.prefix))
        with app.app_context():
            make_vocabularies()
            _fill(site)
        with serving(app, listening):
            yield site


def _static_files():
    """Build the JavaScript in a separate process, and return the folder."""
    # not captured: pytest shows the output if it fails
    command = [sys.executable, "-W", "ignore", "-m", "scripts.site"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError("The pages could not be built; see the output above.")
    return done.stdout.splitlines()[-1]


def _listen():
    listening = socket.socket(select_address_family("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    return listening


def create(where, url, static, **changes):
    """Build the application of a site, with its pages and its REST API.

    Args:
        where: its :class:`~.instance.Place`.
        url: its address, without a slash at the end.
        static: folder of the built JavaScript and styles.
        **changes: configuration variables to add or replace.
    """
    from invenio_app.factory import create_app

    settings = {
        "APP_DEFAULT_SECURE_HEADERS": {
            "content_security_policy": SECURITY_POLICY,
            "force_https": False,
            "session_cookie_secure": False,
            "strict_transport_security": False,
        },
        "BABEL_DEFAULT_LOCALE": "en",
        "I18N_LANGUAGES": [("de", "Deutsch"), ("fr", "Français")],
        "COMMUNITIES_NAMESPACES": DASHBOARD_NAMESPACE,
        "COMMUNITIES_CUSTOM_FIELDS": DASHBOARD_CUSTOM_FIELDS,
        "COMMUNITIES_CUSTOM_FIELDS_UI": [DASHBOARD_CUSTOM_FIELDS_UI],
        "SEND_FILE_MAX_AGE_DEFAULT": 3600,
        "SESSION_COOKIE_SECURE": False,
        "SITE_UI_URL": url,
        "SITE_API_URL": f"{url}/api",
        # a browser that serves several tests never shows the numbers of another
        "STATS_DASHBOARD_CACHE_SECONDS": 0,
        "TRUSTED_HOSTS": ["127.0.0.1", "localhost"],
        "THEME_SITENAME": "Test repository",
        "WEBPACKEXT_PROJECT": "invenio_assets.webpack:rspack_project",
        **changes,
    }
    names = ("INVENIO_INSTANCE_PATH", "INVENIO_STATIC_FOLDER")
    before = {name: os.environ.get(name) for name in names}
    os.environ["INVENIO_STATIC_FOLDER"] = str(static)
    try:
        return instance.create(where, factory=create_app, **settings)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def map_custom_fields(app):
    """Do the same as ``invenio communities custom-fields init``."""
    from invenio_communities.cli import create_communities_custom_field

    result = app.test_cli_runner().invoke(create_communities_custom_field, [])
    assert result.exit_code == 0, result.output


def _fill(site):
    """Create users, communities, records and usage, and aggregate them."""
    _make_users(site)
    _make_communities(site)
    site.records = [
        content.make_record(
            communities=[site.communities["harbour"]],
            files={f"table-{n}.csv": b"a,b\n1,2\n"} if n % 2 else None,
            title=f"Tides of harbour {n}",
            resource_type={"id": ("dataset", "publication-article")[n % 2]},
            languages=[{"id": ("eng", "dan")[n % 2]}],
        )
        for n in range(4)
    ]
    site.parents = [content.parent_of(recid) for recid in site.records]
    service = site.app.extensions["invenio-stats-dashboard"].community_stats_service
    service.generate_record_community_events()
    site.events = {kind: _usage(site, kind) for kind in ("view", "download")}
    service.aggregate()
    site.client.indices.refresh(index=f"{site.names.prefix}*")


def _make_users(site):
    from flask_security.utils import hash_password
    from invenio_accounts.proxies import current_datastore

    for name in ("manager", "visitor"):
        email = f"{name}@example.org"
        current_datastore.create_user(
            email=email,
            password=hash_password(PASSWORD),
            active=True,
            confirmed_at=datetime.now(UTC).replace(tzinfo=None),
            username=name,
        )
        current_datastore.commit()
        site.users[name] = email


def _make_communities(site):
    from invenio_access.permissions import any_user, authenticated_user
    from invenio_access.utils import get_identity
    from invenio_accounts.proxies import current_datastore
    from invenio_communities.proxies import current_communities

    manager = get_identity(current_datastore.get_user(site.users["manager"]))
    manager.provides |= {any_user, authenticated_user}
    wishes = {"harbour": {}, "cellar": {}, "orchard": {ENABLED: True}}
    wishes |= {"quiet": {ENABLED: False}, "gone": {}}
    for name, fields in wishes.items():
        item = current_communities.service.create(
            manager,
            {
                "slug": name,
                "metadata": {"title": f"The {name} <b>&</b> {{more}}"},
                "access": {
                    "visibility": "restricted" if name == "cellar" else "public",
                    "member_policy": "open",
                    "record_submission_policy": "open",
                    "review_policy": "closed",
                },
                "custom_fields": fields,
            },
        )
        site.communities[name], site.slugs[name] = str(item.id), name
    content.delete_community(site.communities["gone"])


def _usage(site, kind):
    """Store some events on each of some days, and return their sources."""
    today = datetime.now(UTC).date()
    lines, sources = [], []
    for day in range(1, DAYS + 1):
        date = today - timedelta(days=day)
        for number in range(2 + (day * (3 if kind == "view" else 1)) % 7):
            source = _event(site, kind, f"{date}T{number % 24:02d}:10:00", number + day)
            index = site.names.events_month(kind, source["timestamp"][:7])
            id = f"{source['timestamp']}-{number}-{kind}"
            lines += [{"index": {"_index": index, "_id": id}}, source]
            sources.append(source)
    answer = site.client.bulk(body=lines, refresh=True)
    assert not answer["errors"], str(answer)[:2000]
    return sources


def _event(site, kind, timestamp, number):
    place = number % len(site.records)
    recid, parent = site.records[place], site.parents[place]
    now = datetime.now(UTC).replace(tzinfo=None).isoformat()
    event = {
        "timestamp": timestamp,
        "recid": recid,
        "parent_recid": parent,
        "referrer": f"https://site-{number % 3}.example.org/page",
        "via_api": False,
        "is_robot": False,
        "is_machine": number % 5 == 0,
        "country": ("DE", "CA", "FR", None)[number % 4],
        "visitor_id": f"visitor-{number % 6}",
        "unique_session_id": f"session-{number % 6}",
        "unique_id": f"ui_{recid}",
        "updated_timestamp": f"{now}+00:00",
        "community_ids": [site.communities["harbour"]],
        "subcounts": {
            "resource_types": [("dataset", "publication-article")[number % 2]],
            "languages": [("eng", "dan")[number % 2]],
        },
        "enriched_at": f"{now}+00:00",
    }
    if kind == "download":
        event |= {
            "bucket_id": f"bucket-of-{recid}",
            "file_id": f"file-of-{recid}",
            "file_key": "table.csv",
            "size": 1000 + number,
            "unique_id": f"bucket-of-{recid}_file-of-{recid}",
        }
        event["subcounts"] = deepcopy(event["subcounts"]) | {"file_types": ["csv"]}
    return event
