# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Build usage events, and the aggregates that must result from them."""

from invenio_stats_dashboard.aggregations.usage import month_sums
from invenio_stats_dashboard.search.names import USAGE_FAMILIES

from ...helpers import reference
from ...helpers.stored import aggregates_in, assert_same, assert_sums_of_months

RED, BLUE = (f"00000000-0000-4000-8000-00000000000{n}" for n in "ab")
"""Two communities."""


class Events:
    """The stored usage events of one instance.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, app, client, names):
        """Start without events."""
        self.app, self.client, self.names = app, client, names
        self.stored = {"view": {}, "download": {}}

    def event(self, number, timestamp, kind="view", communities=(RED,), **changes):
        """Return id and source of an enriched event."""
        recid = f"rec-{number % 7}"
        source = {
            "timestamp": timestamp,
            "recid": recid,
            "parent_recid": f"par-{number % 7 // 2}",
            "referrer": f"https://host-{number % 4}.example/x",
            "via_api": False,
            "is_robot": False,
            "is_machine": number % 3 == 0,
            "country": ("DE", "CA", None)[number % 3],
            "visitor_id": f"visitor-{number % 5}",
            "unique_session_id": f"session-{number % 5}",
            "unique_id": f"ui_{recid}",
            "updated_timestamp": "2026-01-01T00:00:00+00:00",
            "community_ids": list(communities),
            "subcounts": {
                "resource_types": [("dataset", "software")[number % 2]],
                "subjects": [f"subject {number % 3}", "history"],
            },
            "enriched_at": "2026-01-01T00:00:00+00:00",
            **changes,
        }
        if kind == "download":
            source |= {
                "bucket_id": f"bucket-{number % 7}",
                "file_id": f"file-{number % 9}",
                "file_key": "a.csv",
                "size": 100 + number % 9,
            }
            source["unique_id"] = f"bucket-{number % 7}_file-{number % 9}"
        return f"{timestamp}-{number}", source

    def write(self, events, kind="view"):
        """Store events, given as (id, source)."""
        lines = []
        for id, source in events:
            month = self.names.events_month(kind, source["timestamp"][:7])
            lines += [{"index": {"_index": month, "_id": id}}, source]
            self.stored[kind][id] = source
        for start in range(0, len(lines), 10_000):
            answer = self.client.bulk(body=lines[start : start + 10_000])
            assert not answer["errors"], str(answer)[:2000]

    def days(self, days, each=6, kind="view", first=0, **changes):
        """Store some events on each of some days, and return them."""
        events = [
            self.event(
                first + n * each + i, f"{day}T{i % 24:02d}:00:00", kind, **changes
            )
            for n, day in enumerate(days)
            for i in range(each)
        ]
        self.write(events, kind)
        return events

    def delete(self, id, kind="view"):
        """Delete an event."""
        source = self.stored[kind].pop(id)
        month = self.names.events_month(kind, source["timestamp"][:7])
        self.client.delete(index=month, id=id)

    def aggregate(self, **arguments):
        """Aggregate usage and return the report."""
        arguments.setdefault("families", USAGE_FAMILIES)
        service = self.app.extensions["invenio-stats-dashboard"].community_stats_service
        with self.app.app_context():
            return service.aggregate(**arguments)

    def wanted(self):
        """Return the documents that the reference computes."""
        deltas, snapshots = reference.usage_documents(
            self.stored["view"].values(),
            self.stored["download"].values(),
            self.app.config["COMMUNITY_STATS_SUBCOUNTS"],
            self.app.config["COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT"],
            (
                self.app.config["STATS_DASHBOARD_MAX_VALUES_PER_DAY"],
                self.app.config["STATS_DASHBOARD_MAX_RECORD_VALUES_PER_DAY"],
            ),
            count_robots=self.app.config["STATS_DASHBOARD_COUNT_ROBOTS"],
        )
        return {"usage-delta": deltas, "usage-snapshot": snapshots}

    def found(self):
        """Return the stored documents."""
        return aggregates_in(self.client, self.names, USAGE_FAMILIES)

    def assert_right(self):
        """Check that all documents are those of the reference."""
        assert_same(self.found(), self.wanted())
        registry = self.app.config["COMMUNITY_STATS_SUBCOUNTS"]
        assert_sums_of_months(self.client, self.names, registry, month_sums.LEAST)


def changed(done):
    """Return family -> number of documents that a run has written or deleted."""
    return {
        family: written.created + written.changed + written.deleted
        for family, written in done.families.items()
        if written.created + written.changed + written.deleted
    }
