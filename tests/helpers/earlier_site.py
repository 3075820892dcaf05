# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Make what the earlier extension of the same name leaves on a site.

Only names are known of it: an index template, indices of community events and of
aggregates by year, and enriched months. Fields and mappings are made up.
"""

from contextlib import contextmanager
from dataclasses import dataclass, field

from .usage import stock_body, without_templates

_KEYWORD = {"type": "keyword"}
MAPPING = {
    "dynamic": "strict",
    "properties": {
        **dict.fromkeys(("record_id", "community_id", "event_type"), _KEYWORD),
        "event_date": {"type": "date"},
    },
}
"""The mapping of its community events: it accepts no other fields."""

AGGREGATE = {
    "community_id": "global",
    "period_start": "2026-03-01",
    "totals": {"view": {"total_events": 1000}},
}
"""An aggregate; the mapping of its text is that of OpenSearch."""


@dataclass
class EarlierSite:
    """What the earlier extension has left.

    Attributes:
        template: name of its index template.
        community_events: name of its index of community events.
        deltas: name of its index of usage deltas.
        month: name of its enriched month of views.
        removed: its community event of a removal.
        views: ``_id`` -> source of the views in its month.
    """

    template: str
    community_events: str
    deltas: str
    month: str
    removed: dict = field(default_factory=dict)
    views: dict = field(default_factory=dict)


@contextmanager
def own_templates_ignored(client, names):
    """Make none of our templates apply to new indices, as before the installation."""
    with without_templates(client, f"{names.prefix}stats-community"):
        yield


def put_template(client, names, priority=100):
    """Put its index template; return the name."""
    name = f"{names.prefix}earlier-community-events"
    client.indices.put_index_template(
        name=name,
        body={
            "index_patterns": [f"{names.community_events}-*"],
            "priority": priority,
            "template": {
                "mappings": MAPPING,
                "aliases": {names.community_events: {}},
            },
        },
    )
    return name


def make_index(client, names, name, *sources, mappings=None, alias=None):
    """Create one of its indices.

    Args:
        client: decodes responses.
        names: the instance's index names.
        name: name of the index.
        *sources: its documents.
        mappings: its mapping; None for that of OpenSearch.
        alias: an alias, or None.
    """
    with own_templates_ignored(client, names):
        client.indices.create(
            index=name,
            body={
                "mappings": mappings or {},
                "aliases": {alias: {}} if alias else {},
                "settings": {"number_of_replicas": 0},
            },
        )
    for number, source in enumerate(sources):
        client.index(index=name, id=str(number), body=source)
    client.indices.refresh(index=name)
    return name


def event(record, community, kind="added", date="2024-05-06T07:08:09"):
    """Return a community event of the earlier extension."""
    return {
        "record_id": record,
        "community_id": community,
        "event_type": kind,
        "event_date": date,
    }


def make(app, client, names, events=(), views=()):
    """Make a site that ran the earlier extension.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.
        events: sources of community events, besides one of a removal.
        views: ``_id`` and source of views of March 2026.

    Returns:
        EarlierSite: what it has left.
    """
    removed = event("no-record", "no-community", "removed")
    month = names.events_target("view", "2026-03")
    body = stock_body(app, "view")
    alias = names.events_alias("view")
    with without_templates(client, alias):
        client.indices.create(
            index=month,
            body={
                "mappings": {**body["mappings"], "dynamic": "true"},
                "aliases": {alias: {}},
                "settings": {"number_of_replicas": 0},
            },
        )
    found = EarlierSite(
        template=put_template(client, names),
        community_events=make_index(
            client,
            names,
            names.community_events_year(2024),
            *events,
            removed,
            mappings=MAPPING,
            alias=names.community_events,
        ),
        deltas=make_index(
            client,
            names,
            f"{names.aggregates('usage-delta')}-2026",
            AGGREGATE,
            alias=names.aggregates("usage-delta"),
        ),
        month=month,
        removed=removed,
        views=dict(views),
    )
    for id, source in found.views.items():
        client.index(index=month, id=id, body=source)
    client.indices.refresh(index=month)
    return found


def moved_name(names, index):
    """Return the name to which an operator moves an index."""
    return f"{names.prefix}earlier-{index.removeprefix(names.prefix)}"


def move_by_hand(client, names, site):
    """Move its indices, and remove its template, as the documentation describes."""
    for index in (site.community_events, site.deltas):
        client.indices.put_settings(index=index, body={"index.blocks.write": True})
        client.indices.clone(index=index, target=moved_name(names, index))
        client.indices.delete(index=index)
    remove_template(client, names)


def remove_template(client, names):
    """Remove its index template, unless a command has removed it."""
    client.indices.delete_index_template(
        name=f"{names.prefix}earlier-community-events", ignore=[404]
    )
