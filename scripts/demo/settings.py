# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Where the demonstration lives and which services it uses."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

PREFIX = "demo-"
DATABASE = "demo"

REDIS_DB, REDIS_IDENTITIES_DB = 5, 6
"""Not the numbers that ``scripts/services env`` gives to the tests."""

OVERRIDES = (
    "INVENIO_SQLALCHEMY_DATABASE_URI",
    "INVENIO_SEARCH_HOSTS",
    "INVENIO_SEARCH_INDEX_PREFIX",
    "INVENIO_CACHE_REDIS_URL",
    "INVENIO_ACCOUNTS_SESSION_REDIS_URL",
    "INVENIO_CELERY_RESULT_BACKEND",
    "INVENIO_RATELIMIT_STORAGE_URI",
    "INVENIO_COMMUNITIES_IDENTITIES_CACHE_REDIS_URL",
    "INVENIO_BROKER_URL",
    "INVENIO_CELERY_BROKER_URL",
)
"""Variables that would win over ``invenio.cfg``."""


@dataclass(frozen=True)
class Settings:
    """Addresses of the demonstration.

    Attributes:
        root: folder of all that is made (``.demo``).
        database_uri: SQLAlchemy URI of the demonstration's own database.
        search_hosts: OpenSearch hosts, ``host:port`` or URLs.
        redis_url: Redis without the database number.
        broker_url: the message broker.
        prefix: ``SEARCH_INDEX_PREFIX``.
    """

    root: Path
    database_uri: str
    search_hosts: tuple[str, ...]
    redis_url: str
    broker_url: str
    prefix: str = PREFIX

    @classmethod
    def from_environment(cls, root, environ=os.environ):
        """Return the settings for the services that the environment names.

        Args:
            root: folder of the demonstration.
            environ: variables as ``scripts/services env`` prints them.

        Raises:
            KeyError: a variable is missing.
        """
        database = environ["SQLALCHEMY_DATABASE_URI"]
        return cls(
            root=Path(root).resolve(),
            database_uri=f"{database.rsplit('/', 1)[0]}/{DATABASE}",
            search_hosts=tuple(json.loads(environ["SEARCH_HOSTS"])),
            redis_url=environ["CACHE_REDIS_URL"].rsplit("/", 1)[0],
            broker_url=environ["BROKER_URL"],
        )

    @property
    def instance(self):
        """Return the folder that is the instance path."""
        return self.root / "instance"

    @property
    def content(self):
        """Return the file that says what content there is."""
        return self.root / "content.json"

    @property
    def aggregates(self):
        """Return the file of what the stock aggregations made of sample days."""
        return self.root / "aggregates.json"

    @property
    def legacy_ledger(self):
        """Return the folder of the ledger of the legacy events."""
        return self.root / "ledger" / "legacy"

    @property
    def writer_ledger(self):
        """Return the folder of the ledger of the writer."""
        return self.root / "ledger" / "writer"

    def redis(self, database=REDIS_DB):
        """Return the URL of one of the demonstration's Redis databases."""
        return f"{self.redis_url}/{database}"

    def use_in(self, environ=os.environ):
        """Let a process find the instance."""
        environment = self.environment(environ)
        environ.clear()
        environ.update(environment)

    def environment(self, environ=os.environ):
        """Return the variables for commands on the demonstration's instance."""
        kept = {k: v for k, v in environ.items() if k not in OVERRIDES}
        return kept | {
            "INVENIO_INSTANCE_PATH": str(self.instance),
            "PYTHONWARNINGS": "ignore",
        }

    def client(self, **options):
        """Return an OpenSearch client."""
        from opensearchpy import OpenSearch

        return OpenSearch(list(self.search_hosts), **{"timeout": 60, **options})
