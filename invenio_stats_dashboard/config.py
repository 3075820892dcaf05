# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Configuration of the extension, each variable documented where it is defined."""

from invenio_i18n import lazy_gettext as _

from .default_layout import DEFAULT_LAYOUT

COMMUNITY_STATS_ENABLED = True
"""Master switch of the extension.

With ``False`` nothing is registered, put or written; the stock statistics go on
as without the extension. Only the task that takes back the switch of a month stays
scheduled, lest a migration that was under way leaves a month that takes no events.
"""

COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED = True
"""Run the extension's Celery tasks by the site's beat."""

COMMUNITY_STATS_SUBCOUNTS = {
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
    Dotted path, or list of paths, into a record as it is indexed. Lists on the
    way are walked through. A value that is a dict counts under its ``id``.
``text``
    For dicts without an ``id``: the key whose text the value counts under.
``event``
    Instead of ``field``: a field of the usage event; such a breakdown exists
    for usage only.
``extract``
    For ``event``: ``host`` (of a URL), ``agent`` (``machine`` or ``human`` of a
    flag); default is the value itself.
``vocabulary``
    The vocabulary that holds the labels of the ids.
``show``
    ``all`` (default) or ``top``: keep every value in running totals, or the
    largest only.

The key ``file_types`` is special in one way: for a download it is the type of
the downloaded file. Remove a key with ``None``. A key added later is filled into
stored events with ``invenio community-stats usage-events migrate --re-enrich
KEY``.
"""

STATS_DASHBOARD_RECONCILIATION_SWEEP_DAYS = 7
"""Days after which the scheduled reconciliation looks at all records again.

In between it looks, every hour, at those that were changed.
"""

STATS_DASHBOARD_STATEMENT_TIMEOUT = 15
"""Seconds that an SQL statement of live capture or of the event indexer may take.

The database cancels a statement that takes longer. A change of a membership is then left
to the next reconciliation, and a usage event is enriched later.
"""

STATS_DASHBOARD_SCAN_TIMEOUT = 600
"""Seconds that an SQL statement of a command or a scheduled task may take.

These are the back-fill, the reconciliation, the migration and ``status``. They read
whole tables, once.
"""

STATS_DASHBOARD_SCANS_PER_MINUTE = 6
"""How often a minute live capture and the event indexer may scan tables, 1 to 600.

They do so only as long as the indexes are missing that ``invenio community-stats
database-indexes create`` creates. What they may not look up now they look up later.
"""

STATS_DASHBOARD_TEMPLATE_PRIORITY = 500
"""Priority of the index templates of the usage events.

A second template, for the targets of a migration, has this plus one. Set it
higher if the site has composable templates of its own for these indices.
"""

STATS_DASHBOARD_INDEX_SETTINGS = {}
"""Shards and replicas of this package's own indices, where the site's do not suit.

A dict of some of ``number_of_shards`` (of aggregates, community events, record facts and
what is stored between runs; all others have one), and one of ``number_of_replicas`` and
``auto_expand_replicas``. What is left out is that of the site's own index of daily record
views.
"""

STATS_DASHBOARD_STARTUP_TIMEOUT = 3
"""Seconds that an application start may wait for OpenSearch to check templates."""

STATS_DASHBOARD_DOUBLE_CLICK_SECONDS = None
"""Length of the windows in which the same use by the same visitor counts once.

In seconds, 1 to 3,600, for new views and downloads; COUNTER asks for 30. ``None`` leaves
it to the site's ``STATS_EVENTS`` (10 in the stock).
"""

STATS_DASHBOARD_REINDEXING_BATCH_SIZE = 5000
"""Events in a batch of the migration, 1 to 10,000."""

STATS_DASHBOARD_REINDEXING_MAX_BATCHES = None
"""Batches a month and run of the migration; ``None`` is no limit."""

STATS_DASHBOARD_REINDEXING_MAX_MEMORY_PERCENT = 85
"""Heap of the busiest data node, in percent, above which the migration waits."""

STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT = 120
"""Seconds that the migration waits for a better state of the cluster.

After that it stops, keeps its bookmarks, and goes on when it is run again.
"""

STATS_DASHBOARD_REINDEXING_WORKER_TIMEOUT = 2.0
"""Seconds that Celery workers have to answer which event indexer they run; asked twice.

The migration asks before it switches a month that may still get events.
"""

STATS_DASHBOARD_REINDEXING_SWITCH_TIMEOUT = 30
"""Seconds that writing to a month may be blocked while its index is switched.

When it takes longer the switch is taken back: by the run itself, by the next
one, or by whoever else notices.
"""

STATS_DASHBOARD_REINDEXING_LOCK_TTL = 60
"""Seconds after which the lock of a run that died is free again."""

COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT = 20
"""Values of a breakdown with ``show: top`` that a snapshot keeps.

In a usage snapshot so many by views and so many by downloads, in a record snapshot
so many by records.
"""

COMMUNITY_STATS_CATCHUP_INTERVAL = 365
"""Days that one run of the aggregation counts at most; ``None`` is no limit.

The rest is left to the next run.
"""

COMMUNITY_STATS_AGGREGATION_LOCK_TTL = 60
"""Seconds after which the lock of an aggregation that died is free again."""

COMMUNITY_STATS_AGGREGATION_HELPERS = 2
"""Other workers that an aggregation sends for when there is much to do.

Only one that runs as a Celery task does. 0 sends for none.
"""

COMMUNITY_STATS_AGGREGATES_SHARD_GB = 20
"""Primary data in a shard of aggregates beyond which the next year begins another index.

In GB of 10^9 bytes.
"""

COMMUNITY_STATS_CORRECTIONS_KEPT_DAYS = 730
"""Days for which an entry of the correction log is kept after it was written."""

COMMUNITY_STATS_PREPARATION_ENABLED = True
"""Let the scheduled task make what is missing before it counts.

These are the community events of existing records and the migration of legacy months,
a piece with each run. False leaves both to the commands.
"""

COMMUNITY_STATS_PREPARATION_SECONDS = 1800
"""How long such a piece takes; the switch of a month is not cut off by it."""

STATS_DASHBOARD_GLOBAL_ENABLED = True
"""Have a page of the whole instance's statistics."""

STATS_DASHBOARD_COMMUNITIES = "all"
"""Which communities have a page of statistics: ``all``, ``opt-in`` or ``none``.

With ``opt-in`` those whose custom field ``stats:dashboard_enabled`` is true. With
``all`` those whose field is false have none.
"""

STATS_DASHBOARD_ROUTES = {
    "global": "/stats",
    "community": "/communities/<pid_value>/stats",
}
"""Addresses of the pages."""

STATS_DASHBOARD_MENU_ENABLED = True
"""Show the links to the pages in the main menu and in the communities' menus."""

STATS_DASHBOARD_MENU_TEXT = _("Statistics")
"""Text of the link in the main menu."""

STATS_DASHBOARD_MENU_ORDER = 3
"""Place of the link in the main menu; the stock one of communities has 1."""

STATS_DASHBOARD_COMMUNITY_MENU_TEXT = _("Statistics")
"""Text of the tab in the communities' menus."""

STATS_DASHBOARD_COMMUNITY_MENU_ORDER = 35
"""Place of the tab: the stock ones of members and settings have 30 and 40."""

STATS_DASHBOARD_TITLE = _("Statistics")
"""Title of the instance's page."""

STATS_DASHBOARD_DESCRIPTION = _(
    "Records, views and downloads of the whole repository, over time and in parts."
)
"""What the instance's page says below its title; an empty text for nothing."""

STATS_DASHBOARD_COMMUNITY_TITLE = _("Statistics of {community}")
"""Title of a community's page; ``{community}`` is replaced by its title."""

STATS_DASHBOARD_COMMUNITY_DESCRIPTION = _(
    "Records, views and downloads of this community, over time and in parts."
)
"""What a community's page says below its title, as with the title."""

STATS_DASHBOARD_DEFAULT_RANGE = "12mo"
"""The days that a page shows first.

``7d``, ``30d``, ``90d``, ``12mo``, ``mtd``, ``ytd`` (month or year to date) or
``all``.
"""

STATS_DASHBOARD_DEFAULT_INTERVAL = None
"""The interval that a page shows first: ``day``, ``week``, ``month``, ``quarter``,
``year``; ``None`` for what suits the days that are shown.
"""

STATS_DASHBOARD_LAYOUT = DEFAULT_LAYOUT
"""Tabs, rows and widgets of the pages; see docs/dashboards.md."""

STATS_DASHBOARD_LAYOUTS = {}
"""Further layouts by name, each with a ``label`` beside its ``tabs``.

The one named ``global`` is that of the instance's page. The managers of a community can
choose one of the others for theirs.
"""

STATS_DASHBOARD_PERMISSION_POLICY = (
    "invenio_stats_dashboard.permissions.StatsDashboardPermissionPolicy"
)
"""Who may read which numbers: a ``BasePermissionPolicy``, or where to import it from.

Its actions are ``read_global_stats`` and ``read_community_stats`` (with the community
as ``record``).
"""

STATS_DASHBOARD_MAX_DAYS = 55_000
"""Days in the range of a question to the REST resource, 1 to 1,000,000."""

STATS_DASHBOARD_MAX_CELLS = 1000
"""Cells of a breakdown that can be asked for in JSON, 1 to 1,000; files have all."""

STATS_DASHBOARD_MAX_SERIES = 5000
"""Series that can be asked for in JSON; files have no limit."""

STATS_DASHBOARD_MAX_VALUES = 500_000
"""Values that can be asked for in JSON: series times buckets; files have no limit."""

STATS_DASHBOARD_MAX_DOCUMENTS = 500
"""Documents that one request of ``POST /api/stats`` gives: days times families.

Those of all queries of the request together.
"""

STATS_DASHBOARD_CACHE_SECONDS = 300
"""Seconds for which browsers and proxies may keep an answer without asking again.

0 has them ask each time, which costs one small request when nothing has changed. For as
long the site's cache keeps the numbers of the most used records; their titles are looked
up for everyone who asks.
"""

STATS_DASHBOARD_COUNTER_EVENTS_GUEST = 200_000
"""Events that a month may have of which the REST resource makes a COUNTER report for
somebody who is not logged in; ``None`` for no limit.

They are counted when it is asked for: 200,000 take some seconds. The command line has no
limit.
"""

STATS_DASHBOARD_COUNTER_EVENTS_USER = 2_000_000
"""The same for whoever is logged in, also by a token."""

STATS_DASHBOARD_MIN_VISITORS = None
"""Visitors that a cell of countries, referrers and agents must have to be told.

A whole number of 2 or more; ``None`` tells all. See "Small numbers" in docs/api.md.
"""
