# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Configuration of the extension, each variable documented where it is defined."""

from typing import Any

from invenio_i18n import lazy_gettext as _

from .default_layout import DEFAULT_LAYOUT, PageLayout

COMMUNITY_STATS_ENABLED = True
"""Master switch of the extension.

With ``False`` the extension registers and writes nothing, and the stock statistics work
as without it. Only the task that aborts unfinished cut-overs stays scheduled,
since an interrupted migration could otherwise leave a month that accepts no events.
"""

COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED = True
"""Add the extension's Celery tasks to the schedule of the site's beat."""

COMMUNITY_STATS_SUBCOUNTS: dict[str, dict[str, Any] | None] = {
    "resource_types": {
        "field": "metadata.resource_type",
        "vocabulary": "resourcetypes",
    },
    "access_statuses": {"field": "access.status"},
    "languages": {"field": "metadata.languages", "vocabulary": "languages"},
    "subjects": {
        "field": "metadata.subjects",
        "text": "subject",
        "vocabulary": "subjects",
        "show": "top",
    },
    "rights": {
        "field": "metadata.rights",
        "text": "title",
        "vocabulary": "licenses",
    },
    "funders": {
        "field": "metadata.funding.funder",
        "text": "name",
        "vocabulary": "funders",
        "show": "top",
    },
    "affiliations": {
        "field": [
            "metadata.creators.affiliations",
            "metadata.contributors.affiliations",
        ],
        "text": "name",
        "vocabulary": "affiliations",
        "show": "top",
    },
    "publishers": {"field": "metadata.publisher", "show": "top"},
    "periodicals": {"field": "custom_fields.journal:journal.title", "show": "top"},
    "file_types": {"field": "files.types"},
    "countries": {"event": "country"},
    "referrers": {"event": "referrer", "extract": "host", "show": "top"},
    "agents": {"event": "is_machine", "extract": "agent"},
}
"""The breakdowns, by key. A value is a dict of:

``field``
    Dotted path, or list of paths, into an indexed record. A path may lead through
    lists. A value that is a dict counts under its ``id``.
``text``
    For dicts without an ``id``: the key whose text identifies the value.
``event``
    Instead of ``field``: a field of the usage event. Such a breakdown exists for
    usage only.
``extract``
    For ``event``: ``host`` (of a URL) or ``agent`` (``machine`` or ``human``, from a
    flag). By default the value itself is used; of ``referrer`` always the host.
``vocabulary``
    The vocabulary that holds the labels of the ids.
``show``
    ``all`` (default) or ``top``: store every value in snapshots, or only the largest.
    For ``referrer`` it is always ``top``.

For a download, ``file_types`` is the type of the downloaded file. To remove a key, set
it to ``None``. To add a new key to stored events, run ``invenio community-stats
migrate-events --re-enrich KEY``.
"""

STATS_DASHBOARD_RECONCILIATION_SWEEP_DAYS = 7
"""Days after which the scheduled reconciliation compares all records again.

In between, it compares the changed records every hour.
"""

STATS_DASHBOARD_STATEMENT_TIMEOUT = 15
"""Seconds that an SQL statement of live capture or of the event indexer may take.

The database cancels a statement that takes longer. The next reconciliation then
captures the change of the membership, and a usage event is enriched later.
"""

STATS_DASHBOARD_SCAN_TIMEOUT = 600
"""Seconds that an SQL statement of a command or a scheduled task may take.

It applies to the back-fill, the reconciliation, the migration and ``status``, which
read whole tables once.
"""

STATS_DASHBOARD_SCANS_PER_MINUTE = 6
"""Table scans per minute that live capture and the event indexer may make, 1 to 600.

They scan tables only while the indexes are missing that ``invenio community-stats
database-indexes create`` creates. Look-ups beyond the limit are postponed.
"""

STATS_DASHBOARD_TEMPLATE_PRIORITY = 500
"""Priority of all index templates of this package.

The templates of the target indices of a migration have this priority plus one. Set a
higher value if a composable template of the site has the same or a higher priority and
matches the same indices. OpenSearch then refuses or ignores this package's template.
"""

STATS_DASHBOARD_INDEX_SETTINGS: dict[str, int | str] = {}
"""Shards and replicas of this package's own indices, if they differ from the site's.

A dict with ``number_of_shards`` and one of ``number_of_replicas`` and
``auto_expand_replicas``, each optional. ``number_of_shards`` applies to aggregates,
community events, record facts and what is stored between runs; all other indices have
one shard. A setting that is omitted is that of the site's own index of daily record
views.
"""

STATS_DASHBOARD_STARTUP_TIMEOUT = 3
"""Seconds that the start of an application may wait for the check of templates."""

STATS_DASHBOARD_DOUBLE_CLICK_SECONDS = None
"""Seconds within which repeated uses by the same visitor count once, 1 to 3,600.

It applies to new views and downloads; COUNTER asks for 30. ``None`` uses the value of
the site's ``STATS_EVENTS``, by default 10.
"""

STATS_DASHBOARD_REINDEXING_BATCH_SIZE = 5000
"""Events in a batch of the migration, 1 to 10,000."""

STATS_DASHBOARD_REINDEXING_MAX_BATCHES = None
"""Batches of one month that one run of the migration copies; ``None`` is no limit."""

STATS_DASHBOARD_REINDEXING_MAX_MEMORY_PERCENT = 85
"""Heap of the busiest data node, in percent, above which the migration waits."""

STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT = 120
"""Seconds that the migration waits while the cluster is not healthy.

After that it stops and retains its bookmarks. The next run continues.
"""

STATS_DASHBOARD_REINDEXING_WORKER_TIMEOUT = 2.0
"""Seconds in which Celery workers must answer which event indexer they run.

The migration asks twice, before the cut-over of a month that may still receive events.
A worker that does not answer is not found, and does not prevent the cut-over.
"""

STATS_DASHBOARD_REINDEXING_SWITCH_TIMEOUT = 30
"""Seconds that writes to a month may be refused during its cut-over.

The run itself aborts its cut-over after 70 percent of this time. If it was killed,
the next run, the event indexer or a scheduled task does so after the full time.
"""

STATS_DASHBOARD_REINDEXING_LOCK_TTL = 60
"""Seconds after which the lock of a killed migration expires."""

COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT = 20
"""Values of a breakdown with ``show: top`` that a snapshot stores.

A usage snapshot stores this number by views and this number by downloads; a record
snapshot stores this number by records.
"""

STATS_DASHBOARD_MAX_VALUES_PER_DAY = 1000
"""Values that a community's usage of one day names for a breakdown by events, 1 or more.

It applies to breakdowns by a field of usage events, such as referrers. The values with
the fewest views and downloads together are added up under ``_other``. See "Many values"
in docs/aggregates.md.
"""

STATS_DASHBOARD_MAX_RECORD_VALUES_PER_DAY = 10_000
"""The same for a breakdown by record metadata, such as subjects or file types."""

COMMUNITY_STATS_CATCHUP_INTERVAL = 365
"""Days that one run of the aggregation counts at most; ``None`` is no limit.

The next run counts the rest.
"""

COMMUNITY_STATS_AGGREGATION_LOCK_TTL = 60
"""Seconds after which the lock of a killed aggregation expires."""

COMMUNITY_STATS_AGGREGATION_HELPERS = 2
"""Other workers that an aggregation asks for help if it has much to count; 0 for none.

Only an aggregation that runs as a Celery task asks for help.
"""

COMMUNITY_STATS_AGGREGATES_SHARD_GB = 20
"""Size of a shard of aggregates, in GB, above which the next year gets a new index.

Only primary shards count. A GB is 10^9 bytes.
"""

COMMUNITY_STATS_CORRECTIONS_KEPT_DAYS = 730
"""Days for which an entry of the correction log is retained."""

COMMUNITY_STATS_PREPARATION_ENABLED = True
"""Let the scheduled task do the back-fill and the migration before it aggregates.

Each run does a part of the back-fill of community events or of the migration of legacy
months. With ``False``, an operator runs the commands for both.
"""

COMMUNITY_STATS_PREPARATION_SECONDS = 1800
"""Seconds that such a part may take; a cut-over is always completed."""

STATS_DASHBOARD_GLOBAL_ENABLED = True
"""Provide a page with the statistics of the whole instance."""

STATS_DASHBOARD_COMMUNITIES = "all"
"""Which communities have a page of statistics: ``all``, ``opt-in`` or ``none``.

With ``opt-in``, only communities whose custom field ``stats:dashboard_enabled`` is true
have a page. With ``all``, communities whose field is false have none.
"""

STATS_DASHBOARD_ROUTES = {
    "global": "/stats",
    "community": "/communities/<pid_value>/stats",
}
"""URL paths of the pages."""

STATS_DASHBOARD_MENU_ENABLED = True
"""Show the links to the pages in the main menu and in the communities' menus."""

STATS_DASHBOARD_MENU_TEXT = _("Statistics")
"""Text of the link in the main menu."""

STATS_DASHBOARD_MENU_ORDER = 3
"""Order of the link in the main menu; the stock link to communities has 1."""

STATS_DASHBOARD_COMMUNITY_MENU_TEXT = _("Statistics")
"""Text of the tab in the communities' menus."""

STATS_DASHBOARD_COMMUNITY_MENU_ORDER = 35
"""Order of the tab; the stock tabs of members and settings have 30 and 40."""

STATS_DASHBOARD_TITLE = _("Statistics")
"""Title of the instance's page."""

STATS_DASHBOARD_DESCRIPTION = _("Records, views and downloads across the repository.")
"""Text below the title of the instance's page; empty for none."""

STATS_DASHBOARD_COMMUNITY_TITLE = _("Statistics of {community}")
"""Title of a community's page; ``{community}`` is replaced by its title."""

STATS_DASHBOARD_COMMUNITY_DESCRIPTION = _(
    "Records, views and downloads in this community."
)
"""Text below the title of a community's page; ``{community}`` is replaced as well."""

STATS_DASHBOARD_DEFAULT_RANGE = "12mo"
"""The range of days that a page shows first.

``7d``, ``30d``, ``90d``, ``12mo``, ``mtd``, ``ytd`` (month or year to date) or
``all``.
"""

STATS_DASHBOARD_DEFAULT_INTERVAL = None
"""The interval that a page shows first.

``day``, ``week``, ``month``, ``quarter`` or ``year``. With ``None``, it depends on the
length of the range.
"""

STATS_DASHBOARD_LAYOUT = DEFAULT_LAYOUT
"""Tabs, rows and widgets of the pages; see docs/dashboards.md."""

STATS_DASHBOARD_LAYOUTS: dict[str, PageLayout] = {}
"""Further layouts by name, each with a ``label`` beside its ``tabs``.

The layout ``global`` is that of the instance's page. The managers of a community can
choose one of the others for its page.
"""

STATS_DASHBOARD_PERMISSION_POLICY = (
    "invenio_stats_dashboard.permissions.StatsDashboardPermissionPolicy"
)
"""Who may read which statistics: a ``BasePermissionPolicy`` or its import path.

Its actions are ``read_global_stats`` and ``read_community_stats`` (with the community
as ``record``).
"""

STATS_DASHBOARD_MAX_DAYS = 55_000
"""Days in the range of a request to the REST API, 1 to 1,000,000."""

STATS_DASHBOARD_MAX_CELLS = 1000
"""Values of a breakdown that a JSON response can list, 1 to 1,000; files list all."""

STATS_DASHBOARD_MAX_SERIES = 5000
"""Series that a JSON response can contain."""

STATS_DASHBOARD_MAX_VALUES = 500_000
"""Numbers in a JSON response, series times intervals."""

STATS_DASHBOARD_FILE_VALUES_GUEST = 500_000
"""Values in a CSV or XLSX file for a guest of the REST API; ``None`` for no limit.

A guest is a user who is not logged in. The number is estimated from the request, and
counted while the file is written.
"""

STATS_DASHBOARD_FILE_VALUES_USER = 5_000_000
"""The same for a user who is logged in or sends a token."""

STATS_DASHBOARD_FILE_FOLDER = None
"""Folder of the temporary files of workbooks.

``None`` is ``invenio-stats-dashboard-<user id>`` in the system's folder of temporary
files. Files that a killed process has left are removed by the next request for a
workbook.
"""

STATS_DASHBOARD_WORKBOOKS_AT_ONCE = 2
"""Workbooks (XLSX) that a process creates at the same time.

Another request for a workbook gets 503 with ``Retry-After``.
"""

STATS_DASHBOARD_MAX_DOCUMENTS = 500
"""Documents that one request of ``POST /api/stats`` returns: days times families.

The limit applies to all queries of a request together.
"""

STATS_DASHBOARD_MAX_DOCUMENT_VALUES = 20_000
"""Values of breakdowns in the documents that one request of ``POST /api/stats`` returns.

The limit applies to all queries of a request together. Twenty thousand values are about
seven megabytes of JSON.
"""

STATS_DASHBOARD_MAX_QUERIES = 20
"""Queries of this package in one request of ``POST /api/stats``."""

STATS_DASHBOARD_CACHE_SECONDS = 300
"""Seconds for which browsers and proxies may cache a response without revalidation.

With 0 they revalidate each time, which is one small request if nothing has changed. The
numbers of the most used records may be as old as this. The site's cache stores them and
the counts of COUNTER reports until the events change; with 0 it stores neither.
"""

STATS_DASHBOARD_COUNTER_EVENTS_GUEST = 200_000
"""Events of a month up to which a guest gets a COUNTER report; ``None`` for no limit.

A guest is a user of the REST API who is not logged in. To count 200,000
events takes some seconds. The command line has no limit.
"""

STATS_DASHBOARD_COUNTER_EVENTS_USER = 2_000_000
"""The same for a user who is logged in or sends a token."""

STATS_DASHBOARD_MIN_VISITORS = None
"""Visitors below which values of countries, referrers and agents are suppressed.

A whole number of 2 or more; ``None`` shows all. See "Small numbers" in docs/api.md.
"""

STATS_DASHBOARD_SHOW_HIDDEN_RECORDS = False
"""Count hidden records under their own values in public breakdowns of record metadata.

A hidden record is one that an anonymous search does not find. With ``False`` it counts
under the id ``_hidden``, except in the numbers of a restricted community. With ``True``
everybody can read metadata of hidden records in the statistics.
"""
