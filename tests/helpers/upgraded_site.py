# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The story of a site that is upgraded in use, goes back, and is upgraded again.

Everything that the site does, it does in a zygote of the earlier or of the new version:
commands, tasks, web processes and event workers. This process only creates the content,
as it was before the extension was installed, and reads what is stored.
"""

import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from opensearchpy.helpers import scan

from invenio_stats_dashboard.search.stored_documents import CATALOGUE, STATE_INDICES
from scripts.demo.bulk import write
from scripts.demo.legacy_events import File, Record

from . import content, reference, site_operations
from .faults import until
from .simulation import Stored
from .site_operations import DOWNLOAD, VIEW, beat, index_events, operate
from .sites import downloads, ids_of, views
from .statistics import facts
from .stored import aggregates_in
from .usage import Usage, native
from .workers import delete_queue

EVENT_TYPES = {"view": VIEW, "download": DOWNLOAD}

EACH = 45
"""Number of events in a legacy month."""

NO_HOST = "https://no host at all/"
"""A referrer whose host cannot be a name in the DNS."""

ODD = "an-event-of-two-records"
"""``_id`` of the odd event."""

SECRET = "secret"
"""A subject of the hidden record."""

NOTE = {"properties": {"site_note": {"type": "keyword"}}}
"""What the mapping of views lacks for one event, which is therefore a dead letter."""


def months_ago(number):
    """Return the first moment of an earlier month, naive UTC."""
    first = datetime.now(UTC).replace(tzinfo=None, hour=0, minute=0, second=0)
    first = first.replace(day=1, microsecond=0)
    for _ in range(number):
        first = (first - timedelta(days=1)).replace(day=1)
    return first


def month_of(number):
    """Return an earlier month, ``YYYY-MM``; 0 is the current one."""
    return f"{months_ago(number):%Y-%m}"


@dataclass
class Moment:
    """What the site holds at one moment.

    Attributes:
        status: the JSON document of ``status``.
        stored: all that is counted from.
        aggregates: family -> (community, day) -> document.
        sent: view or download -> ids of all events until then.
        undescribed: documents that the catalogue of this version does not describe.
        unmapped: index -> fields that its template maps and the index does not.
        today: the day, ``YYYY-MM-DD``.
    """

    status: dict
    stored: Stored
    aggregates: dict
    sent: dict
    undescribed: list
    unmapped: dict
    today: str


@dataclass
class Story:
    """What the story has found.

    Attributes:
        site: the site.
        statuses: name of a moment -> JSON document of ``status``.
        answers: name of a moment -> path -> status code and document of the REST API.
        moments: ``upgraded``, ``back`` and ``again`` -> :class:`Moment`.
        sent_at_once: number of events that both versions index at the same time.
        indexed: number of those that each version has indexed.
        error: that of the earlier version, which cannot count the odd event.
        revisions: name of a moment -> revisions of the stored index templates.
        rolled_back: the views after a rollback by the earlier version.
        interfaces: version -> what :func:`~.site_operations.interface` returns.
    """

    site: "Site"
    statuses: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    moments: dict = field(default_factory=dict)
    sent_at_once: int = 0
    indexed: Counter = field(default_factory=Counter)
    error: str = ""
    revisions: dict = field(default_factory=dict)
    rolled_back: list = field(default_factory=list)
    interfaces: dict = field(default_factory=dict)


class Site(Usage):
    """A site with records, communities and legacy events, without the extension.

    Needs an application context.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.

    Attributes:
        queue: exchange of the event queues, which begins their names.
        tasks: queue of tasks, which nobody reads.
        sent: view or download -> ``_id`` of each event that was sent -> its source, if
            it is a legacy event.
        red: a community.
        blue: a restricted community.
        recids: public records; the first three are in the red community at first.
        hidden: a restricted record in both.
    """

    def __init__(self, app, client, names):
        """Create all of it, as if months ago."""
        self.app, self.client, self.names = app, client, names
        self.queue = f"test-{secrets.token_hex(6)}"
        self.tasks = f"{self.queue}-tasks"
        self.sent = {"view": {}, "download": {}}
        self._visitors = 0
        self.red = content.make_community()
        self.blue = content.make_community(restricted=True)
        self.recids = [_make_record(f"subject {number}") for number in range(5)]
        self.hidden = _make_record(SECRET, access=content.RESTRICTED)
        # by rows alone: an accepted request would date the addition
        content.include_in_bulk([*self.recids[:3], self.hidden], self.red)
        content.include_in_bulk([self.hidden], self.blue)
        content.date_back(months_ago(3))
        self.records = [
            Record(
                recid,
                f"parent of {recid}",
                months_ago(3),
                (File(f"bucket of {recid}", f"file of {recid}", "a.csv", 1000),),
            )
            for recid in (*self.recids, self.hidden)
        ]
        for number in (2, 1):
            for event_type in EVENT_TYPES:
                self.legacy_month(event_type, number)
        for event in EVENT_TYPES.values():
            site_operations.queue_of(event, self.queue).queue.declare()

    def remove(self):
        """Delete its queues."""
        for event in EVENT_TYPES.values():
            delete_queue(f"{self.queue}-{event}")
        for queue in (self.queue, self.tasks):
            delete_queue(queue)
        delete_queue(f"{self.names.prefix}stats-community-changes")

    # -- usage ---------------------------------------------------------------

    def legacy_month(self, event_type, number):
        """Store an earlier month as the stock indexer has stored it."""
        self.legacy_index(event_type, month_of(number))
        events = dict(self.events(event_type, month_of(number), EACH, number))
        first = next(iter(events))
        events[first] = {**events[first], "referrer": NO_HOST}
        write(self.client, self.names.prefix, event_type, events.items())
        self.sent[event_type].update(events)

    def publish(self, count):
        """Let visitors view and download records; each time, a message is sent.

        Args:
            count: number of views and of downloads.
        """
        for event_type, make in (("view", views), ("download", downloads)):
            self._publish(event_type, make(count, self.records, self._visitors))
        self._visitors += count

    def publish_unmapped(self):
        """Let a visitor cause a view that OpenSearch refuses."""
        found = views(1, self.records, self._visitors, site_note="unmapped")
        self._publish("view", found)
        self._visitors += 1

    def _publish(self, event_type, events):
        event = EVENT_TYPES[event_type]
        self.sent[event_type].update(dict.fromkeys(ids_of(events, event)))
        site_operations.queue_of(event, self.queue).publish(events)

    def write_odd_event(self):
        """Let a script of the site store a view of two records."""
        usual = next(source for _, source in self.seen())
        odd = {**native(usual), "recid": self.recids[:2]}
        self.client.index(index=self._current, id=ODD, body=odd, refresh=True)
        self.sent["view"][ODD] = None

    def delete_odd_event(self):
        """Delete this view."""
        self.client.delete(index=self._current, id=ODD, refresh=True)
        del self.sent["view"][ODD]

    @property
    def _current(self):
        return self.names.events_month("view", month_of(0))

    # -- what is stored ------------------------------------------------------

    def moment(self, version):
        """Return what the site holds now.

        Args:
            version: the zygote whose ``status`` is read.
        """
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        return Moment(
            status_of(version),
            self._stored(),
            aggregates_in(self.client, self.names),
            {event_type: {*sent} for event_type, sent in self.sent.items()},
            list(self._undescribed()),
            dict(self._unmapped()),
            today,
        )

    def revisions(self):
        """Return the revisions of the index templates of the package."""
        pattern = f"{self.names.prefix}*-v2.0.0"
        found = self.client.indices.get_index_template(name=pattern)
        return {
            template["index_template"]["_meta"]["invenio_stats_dashboard"]["revision"]
            for template in found["index_templates"]
        }

    def wanted(self, moment):
        """Return the aggregates of the reference at a moment."""
        sources = moment.stored.sources()
        # two identifiers are none
        sources["views"] = [
            {**s, "recid": None} if isinstance(s["recid"], list) else s
            for s in sources["views"]
        ]
        config = self.app.config
        return reference.aggregates(
            sources,
            config["COMMUNITY_STATS_SUBCOUNTS"],
            moment.today,
            config["COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT"],
        )

    def _stored(self):
        seen = {event_type: self.seen(event_type) for event_type in EVENT_TYPES}
        for found in seen.values():
            assert len(found) == len(dict(found)), "an event is seen twice"
        return Stored(
            views=dict(seen["view"]),
            downloads=dict(seen["download"]),
            facts=facts(self.client, self.names),
            community_events=dict(self.seen(index=self.names.community_events)),
            restricted=frozenset({self.blue}),
        )

    def _undescribed(self):
        """Yield index, ``_id`` and unknown fields of documents of the state."""
        indices = [getattr(self.names, index) for index in STATE_INDICES]
        indices = ",".join(i for i in indices if self.client.indices.exists(index=i))
        self.client.indices.refresh(index=indices)
        for hit in scan(self.client, index=indices):
            index, id = hit["_index"], hit["_id"]
            found = [e for e in CATALOGUE if e.describes(self.names, index, id)]
            unknown = found[0].unknown_fields(hit["_source"]) if found else None
            if unknown or not found:
                yield index, id, unknown

    def _unmapped(self):
        """Yield each index with fields of its template that it does not map."""
        for name, index in self.client.indices.get(
            index=f"{self.names.prefix}*stats-*"
        ).items():
            path = f"/_index_template/_simulate_index/{name}"
            composed = self.client.transport.perform_request("POST", path)
            template = composed.get("template", {})  # absent without a template
            wanted = template.get("mappings", {}).get("properties", {})
            missing = wanted.keys() - index["mappings"].get("properties", {}).keys()
            if missing:
                yield name, missing


def _make_record(subject, **draft):
    return content.make_record(
        files={"a.csv": b"1,2"}, subjects=[{"subject": subject}], **draft
    )


# -- what a version does -------------------------------------------------------


def run(version, *words, exit_code=0):
    """Run a command of a version, and check how it ends."""
    done = version.run(operate, *words)
    assert done.exit_code == exit_code, (words, done.out, done.err)
    return done


def status_of(version):
    """Return the JSON document of ``status`` of a version."""
    return version.run(operate, "status", "--json").document


def answers_of(site, version):
    """Return path -> status code and JSON document of the REST API of a version."""
    values = "range=12mo&breakdown=subjects,referrers&top=100"
    paths = (
        f"/global?{values}",
        f"/communities/{site.red}?{values}",
        "/global/records",
        f"/global/counter?month={month_of(1)}",
    )
    return {path: version.run(site_operations.ask, path) for path in paths}


def failed(version, function, *arguments):
    """Run a function of a version that must fail, and return its traceback."""
    with pytest.raises(AssertionError) as error:
        version.run(function, *arguments)
    return str(error.value)


def index(site, worker, count=10, refused=0):
    """Let a worker of a version index all events that wait.

    It stops when its queue is empty for a moment, also if a message is still on its way,
    so it is started until it has indexed all of them.

    Args:
        site: the site.
        worker: the zygote of the version.
        count: number of views and of downloads that wait.
        refused: number of further views, which OpenSearch refuses.
    """
    wanted = {VIEW: (count, refused), DOWNLOAD: (count, 0)}
    found = Counter()

    def indexed():
        found.update(_counted(worker.run(index_events, site.queue)))
        return found.total() >= 2 * count + refused

    until(indexed, f"{wanted} were indexed")
    assert found == _counted(wanted)


def _counted(events):
    """Return event and whether it was stored -> number, of the result of a worker."""
    found = Counter()
    for event, (stored, refused) in events.items():
        found.update({(event, True): stored, (event, False): refused})
    return found


def index_together(story, **workers):
    """Let workers of versions index the same queues until each has indexed events.

    Args:
        story: the :class:`Story`; its site has no events that wait.
        **workers: name of a version -> its zygote.
    """
    site, count = story.site, 40

    def indexed():
        if story.indexed.total() >= story.sent_at_once:
            site.publish(count)
            story.sent_at_once += 2 * count
        with ThreadPoolExecutor(len(workers)) as threads:
            running = {
                version: threads.submit(worker.run, index_events, site.queue)
                for version, worker in workers.items()
            }
        for version, its in running.items():
            story.indexed[version] += sum(stored for stored, _ in its.result().values())
        done = story.indexed.total() >= story.sent_at_once
        return done and all(story.indexed[version] for version in workers)

    until(indexed, "each version has indexed events")


def move(site, web, worker, function, *arguments):
    """Change content in a web process of a version, and capture it in a worker."""
    web.run(site_operations.change, site.tasks, function, *arguments)
    worker.run(site_operations.capture, site.tasks)


def _hour(app, config):
    """Run the tasks of an hour with a configuration."""
    beat(app, **config)


# -- the story -----------------------------------------------------------------


def run_story(site, old, new):
    """Install the earlier version, upgrade, go back, and upgrade again.

    Args:
        site: the :class:`Site`.
        old: the :class:`~.zygote.Zygote` of the earlier version.
        new: that of the new version.

    Returns:
        Story: what was found.
    """
    story = Story(site)
    story.interfaces = {
        name: version.run(site_operations.interface)
        for name, version in (("old", old), ("new", new))
    }
    use(site, old)
    upgrade(story, old, new)
    go_back(story, old, new)
    upgrade_again(story, new)
    return story


def use(site, old):
    """Install the earlier version, and use it."""
    old.run(site_operations.start)
    run(old, "generate-community-events")
    run(old, "migrate-events")
    site.publish(10)
    site.publish_unmapped()
    index(site, old, refused=1)
    move(site, old, old, "remove", site.recids[2], site.red)
    site.publish(10)
    index(site, old)
    run(old, "community-events", "reconcile")
    run(old, "aggregate")
    # a month of which the upgrade interrupts the migration
    site.legacy_month("view", 3)
    limits = ("--batch-size", "15", "--max-batches", "1")
    run(old, "migrate-events", "--months", month_of(3), *limits, exit_code=3)


def upgrade(story, old, new):
    """Upgrade the site while it is used by processes of both versions."""
    site = story.site
    story.revisions["before"] = site.revisions()
    story.statuses["before"] = status_of(old)
    story.answers["before"] = answers_of(site, old)
    new.run(site_operations.start)
    story.statuses["started"] = status_of(new)
    story.answers["started"] = answers_of(site, new)
    site.publish(10)
    # a worker that does not end in time when it is restarted is killed
    assert old.run(site_operations.index_and_die, site.queue) is None
    index(site, new)
    site.publish(10)
    index(site, old)
    move(site, new, old, "include_in_bulk", [site.recids[3]], site.red)
    move(site, old, new, "remove", site.recids[0], site.red)
    index_together(story, old=old, new=new)
    new.run(_hour, {"COMMUNITY_STATS_CATCHUP_INTERVAL": 20})
    story.statuses["meanwhile"] = status_of(new)
    old.run(beat)
    story.statuses["beside"] = status_of(new)
    story.answers["beside"] = answers_of(site, new)
    # from here on, all processes have the new version
    site.write_odd_event()
    site.client.indices.put_mapping(index=site.names.events_alias("view"), body=NOTE)
    run(new, "usage-events", "replay")
    new.run(site_operations.attribute_again)
    new.run(beat)
    story.statuses["counted"] = status_of(new)
    run(new, "usage-events", "odd", "--acknowledge")
    run(new, "usage-events", "verify")
    run(new, "usage-events", "cleanup", "--months", month_of(2), "--yes")
    story.moments["upgraded"] = site.moment(new)


def go_back(story, old, new):
    """Replace all processes by those of the earlier version."""
    site = story.site
    story.revisions["upgraded"] = site.revisions()
    old.run(site_operations.start)
    story.revisions["back"] = site.revisions()
    story.statuses["back"] = status_of(old)
    story.answers["back"] = answers_of(site, old)
    site.publish(10)
    index(site, old)
    move(site, old, old, "include_in_bulk", [site.recids[4]], site.red)
    move(site, old, old, "restrict_record", site.recids[1])
    site.publish(10)
    index(site, old)
    story.error = failed(old, operate, "aggregate")
    site.delete_odd_event()
    old.run(site_operations.attribute_again)
    run(old, "aggregate")
    old.run(beat, "reconcile_community_events")  # changed records only
    story.moments["back"] = site.moment(old)
    run(old, "usage-events", "rollback", "--months", month_of(3), "--yes")
    story.rolled_back = site.seen()
    # the new version has begun to copy the month, and the earlier one continues
    limits = ("--batch-size", "15", "--max-batches", "1")
    run(new, "migrate-events", "--months", month_of(3), *limits, exit_code=3)
    run(old, "migrate-events", "--months", month_of(3))


def upgrade_again(story, new):
    """Replace all processes by those of the new version again."""
    site = story.site
    new.run(site_operations.start)
    site.write_odd_event()
    new.run(site_operations.attribute_again)
    new.run(beat)
    story.moments["again"] = site.moment(new)
