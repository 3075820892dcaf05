# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Simulate a small instance without services, and the documents that it stores.

This module shares no code with the package. Its documents are those that the first half
of the package stores: usage events, record facts, community events.
"""

from dataclasses import dataclass, field

from .reference import GLOBAL

COMMUNITIES = tuple(f"00000000-0000-4000-8000-00000000000{n}" for n in "abc")
"""Three communities."""

BREAKDOWNS = (
    "resource_types",
    "access_statuses",
    "languages",
    "subjects",
    "rights",
    "funders",
    "affiliations",
    "publishers",
    "periodicals",
    "file_types",
)
"""Keys that facts have; a record has no value in most of them."""

STRANGER = "zzzzz-00000"
"""A recid that belongs to no record."""

_WRITTEN = "2026-01-01T00:00:00"


@dataclass(frozen=True)
class Stored:
    """The documents that an instance contains at one point in time.

    Attributes:
        views: ``_id`` -> source of the stored record views.
        downloads: the same for file downloads.
        facts: the same for record facts; the ``_id`` is the recid.
        community_events: the same for community events.
        restricted: the restricted communities.
        recreated: names of attributes that were deleted and put back since the last
            step; their indices have another identity.
    """

    views: dict = field(default_factory=dict)
    downloads: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    community_events: dict = field(default_factory=dict)
    restricted: frozenset = frozenset()
    recreated: frozenset = frozenset()

    def sources(self):
        """Return the sources in the format of the reference."""
        return {
            **{
                name: list(getattr(self, name).values())
                for name in ("views", "downloads", "facts", "community_events")
            },
            "restricted": self.restricted,
        }


@dataclass
class Record:
    """One version: its facts, and whether it is deleted."""

    facts: dict
    is_deleted: bool = False

    @property
    def parent(self):
        """Return the parent's UUID."""
        return self.facts["parent_id"]


class World:
    """The true state of an instance, and the documents that it has stored.

    Sources are replaced, never changed, so a copy of the outer dicts is a snapshot.
    """

    def __init__(self):
        """Start with an empty instance."""
        self.records = {}
        self.members = {}  # parent -> its communities
        self.deleted_communities = set()
        self.timelines = {}  # (recid, community) -> events by place
        self.usage = {"view": {}, "download": {}}
        self.lost_facts = set()
        self.ever_hidden = set()  # recids
        self.restricted = set()  # communities
        self.recreated = set()

    def stored(self):
        """Return a snapshot of the stored documents, and reset what was recreated."""
        recreated, self.recreated = frozenset(self.recreated), set()
        return Stored(
            views=dict(self.usage["view"]),
            downloads=dict(self.usage["download"]),
            facts={
                recid: {**record.facts, "communities": self._communities_of(record)}
                for recid, record in self.records.items()
                if recid not in self.lost_facts
            },
            community_events={
                f"{e['record_id']}:{e['community_id']}:{e['place']}": e
                for events in self.timelines.values()
                for e in events
            },
            restricted=frozenset(self.restricted),
            recreated=recreated,
        )

    def _communities_of(self, record):
        if record.facts["access"] != "hidden":
            return []
        return sorted(self.members[record.parent] - self.deleted_communities)

    # -- records -------------------------------------------------------------

    def publish(self, parent, at, published, files, owner, subcounts, communities):
        """Publish a record: a new one, or a version of a parent.

        Args:
            parent: UUID of a parent, or None.
            at: time of the publication.
            published: EDTF or any other text.
            files: tuple of (name, bytes).
            owner: id of a user, or None; a version has that of its parent.
            subcounts: key -> tuple of values.
            communities: communities that a new record is added to immediately.
        """
        number = len(self.records)
        recid = f"rec{number:02d}-00000"
        if parent is None:
            parent = f"bbbbbbbb-0000-4000-8000-{len(self.members):012d}"
            self.members[parent] = set(communities)
        else:
            owner = next(r.facts["owner"] for r in self.versions(parent))
        self.records[recid] = Record(
            {
                "recid": recid,
                "record_id": f"aaaaaaaa-0000-4000-8000-{number:012d}",
                "parent_id": parent,
                "parent_recid": f"par{parent[-2:]}-00000",
                "created": at,
                "updated": at,
                "published": published,
                "owner": owner,
                "is_deleted": False,
                "deleted_date": None,
                "access": "public",
                "revision": 1,
                "registry": "0123456789abcdef",
                "timestamp": _WRITTEN,
                **_described(files, subcounts),
            }
        )
        self.notice(recid, at)

    def versions(self, parent):
        """Return the records of a parent."""
        return [r for r in self.records.values() if r.parent == parent]

    def edit(self, recid, **changes):
        """Change the facts of a record."""
        record = self.records[recid]
        if "files" in changes:
            changes |= _described(changes.pop("files"), changes.pop("subcounts", {}))
        record.facts = {
            **record.facts,
            **changes,
            "revision": record.facts["revision"] + 1,
        }

    def notice(self, recid, at, skewed=False):
        """Write the community events that make a record's timelines complete.

        Args:
            recid: recid of the record.
            at: time of the change.
            skewed: whether a change may be dated before the previous one, as by a
                machine whose clock is slow.
        """
        record = self.records[recid]
        inside = set()
        if not record.is_deleted:
            inside = {GLOBAL, *self.members[record.parent] - self.deleted_communities}
        known = {c for r, c in self.timelines if r == recid}
        for community in sorted(inside | known):
            events = self.timelines.get((recid, community), [])
            was = bool(events) and events[-1]["event_type"] == "added"
            if was != (community in inside):
                when = at
                if events and not skewed:
                    when = max(at, events[-1]["event_date"])
                self._append(record, community, not was, when)

    def _append(self, record, community, added, when):
        facts = record.facts
        events = self.timelines.setdefault((facts["recid"], community), [])
        events.append(
            {
                "record_id": facts["record_id"],
                "recid": facts["recid"],
                "parent_id": facts["parent_id"],
                "community_id": community,
                "event_type": "added" if added else "removed",
                "event_date": when,
                "place": len(events) + 1,
                "cause": "publish" if added else "removed",
                "evidence": "created",
                "record_created_date": facts["created"],
                "record_published_date": facts["published"],
                "is_deleted": record.is_deleted,
                "deleted_date": facts["deleted_date"],
                "timestamp": _WRITTEN,
            }
        )

    def communities_at(self, recid, moment):
        """Return the communities of a record at a given time, sorted."""
        found = []
        for (who, community), events in self.timelines.items():
            if who == recid and community != GLOBAL:
                inside, latest = False, ""
                for event in events:
                    latest = max(latest, event["event_date"])
                    if latest <= moment:
                        inside = event["event_type"] == "added"
                if inside:
                    found.append(community)
        return sorted(found)

    # -- usage ---------------------------------------------------------------

    def use(self, part, recid, at, file, **fields):
        """Store a usage event as the stock indexer does, without enrichment.

        Args:
            part: view or download.
            recid: recid of a record, or an unknown one.
            at: time of the event.
            file: (name, bytes) of the downloaded file.
            **fields: other fields of the event.

        Returns:
            str: its ``_id``.
        """
        record = self.records.get(recid)
        source = {
            "timestamp": at,
            "recid": recid,
            "parent_recid": record.facts["parent_recid"] if record else "par99-00000",
            **fields,
            "unique_session_id": f"session of {fields['visitor_id']}",
            "updated_timestamp": f"{at}.000001+00:00",
            "unique_id": f"ui_{recid}",
        }
        if part == "download":
            name, size = file
            parent = source["parent_recid"]
            bucket, file_id = f"bucket of {recid}", f"{parent}/{name}"
            source |= {
                "bucket_id": bucket,
                "file_id": file_id,
                "file_key": name,
                "size": size,
                "unique_id": f"{bucket}_{file_id}",
            }
        id = f"{at}-{part}{len(self.usage[part]):04d}"
        while id in self.usage[part]:
            id += "x"
        self.usage[part][id] = source
        return id

    def enrich(self, part, id, refresh=()):
        """Enrich a stored event; existing values remain, except communities.

        Args:
            part: view or download.
            id: its ``_id``.
            refresh: breakdowns to take from the record in its current state.
        """
        source = self.usage[part][id]
        record = self.records.get(source["recid"])
        values = dict(record.facts["subcounts"]) if record else {}
        if part == "download":
            values["file_types"] = _types([source["file_key"]])
        had = source.get("subcounts") if source.get("enriched_at") else None
        if had is not None:
            values = {**had, **{k: v for k, v in values.items() if k in refresh}}
        self.usage[part][id] = {
            **source,
            "community_ids": self.communities_at(source["recid"], source["timestamp"]),
            "subcounts": {k: v for k, v in values.items() if v},
            "enriched_at": "2026-01-01T00:00:00+00:00",
        }


def _described(files, subcounts):
    """Return the facts that result from files and breakdowns."""
    types = _types([name for name, _ in files])
    return {
        "subcounts": {
            **{key: list(subcounts.get(key, ())) for key in BREAKDOWNS},
            "file_types": types,
        },
        "file_types": types,
        "file_count": len(files),
        "data_volume": sum(size for _, size in files),
    }


def _types(names):
    return sorted({n.rpartition(".")[2].lower() for n in names if "." in n})
