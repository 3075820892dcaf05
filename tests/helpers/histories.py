# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Generate histories of an instance, for property-based tests.

A history is a list of steps. Steps name things by small numbers, which are taken modulo
the number of existing things, so any list of steps is valid and shrinks well. Days,
records, communities and visitors are few, so that they coincide.
"""

from dataclasses import dataclass

from hypothesis import strategies as st

from .simulation import COMMUNITIES, STRANGER, World

DAYS = (
    "2023-12-31",
    "2024-01-01",
    "2024-02-28",
    "2024-02-29",
    "2024-03-01",
    "2024-03-04",
)
"""Days with activity: ends of years, a leap day, days without events."""

TIMES = ("00:00:00", "00:00:01", "12:30:00", "23:59:59")

DATES = (
    # level 0
    "2024", "2024-02", "2024-02-29", "2024-02-28", "2023-12-31", "2024-03-04",
    "2024-02-28/2024-03", "2024-02-29T23:59:59Z",
    # open, unknown, uncertain, approximate, unspecified, seasons, sets
    "../2024-02-29", "/2024-03", "2024-02/..", "2024-03-01/", "2024?", "2024-02~",
    "2024-03-01%", "2024-02-28~/2024", "202X", "2024-XX", "2024-02-XX", "2024-02-2X",
    "202X-02-29", "2024-1X", "2024-21", "2024-22", "2024-33", "[2024-02-29,2024-03]",
    "{2024-03-01,2024-02}", "[2024-02-29..]", "[..2024-03-01]", "{..2024-02}",
    "2024-02~-29",
    # early, late
    "0985", "1650-05", "2999-01-01",
    # unreadable dates
    None, "", "unpublished", "2023-02-29", "2024-13", "../..", "Y170000002", "-0044",
    "XXXX",
)  # fmt: skip
"""Publication dates."""

FILES = (("data.csv", 10), ("paper.PDF", 300), ("README", 0))

REFERRERS = (
    None,
    "",
    "https://Example.org/a?b=c",
    "https://example.org:8443/b",
    "http://search.example.com",
    "no url",
    "https://[broken/",
    "https://b\u00fccher.example/",
    "https://XN--BCHER-KVA.example./x",
    "http://192.0.2.7/",
    "https://_other/",
)


NONE, WHOLE, PIECE, BROKEN, DRY = "none", "whole", "piece", "broken", "dry"
"""No run, a complete run, a partial run, and a run that fails midway."""

SHARED = "shared"
"""A complete run with the help of another worker."""

OF_COMMUNITIES, OF_FAMILIES, OF_DAYS = "of-communities", "of-families", "of-days"
"""Restricted runs."""

RUNS = (NONE, WHOLE, SHARED, PIECE, BROKEN, DRY, OF_COMMUNITIES, OF_FAMILIES, OF_DAYS)


@dataclass(frozen=True)
class Cut:
    """A run of the aggregation.

    Attributes:
        kind: one of :data:`RUNS`.
        number: number of requests after which a broken run fails.
        rebuild: whether everything is counted again.
    """

    kind: str = NONE
    number: int = 0
    rebuild: bool = False


# -- steps -------------------------------------------------------------------


@dataclass(frozen=True)
class Publish:
    """Publishes a record: a new one, or a version if a parent exists."""

    parent: int | None
    at: str
    published: str | None
    files: tuple
    owner: str | None
    subcounts: tuple
    communities: frozenset

    def do(self, world):
        """Apply the step to a world."""
        parent = None if self.parent is None else _pick(world.members, self.parent)
        world.publish(
            parent,
            self.at,
            self.published,
            self.files,
            self.owner,
            dict(self.subcounts),
            self.communities,
        )


@dataclass(frozen=True)
class Edit:
    """Changes a record's description, and the owner of all its versions."""

    record: int
    change: tuple

    def do(self, world):
        """Apply the step to a world."""
        recid = _pick(world.records, self.record)
        if recid is None:
            return
        name, value = self.change
        if name == "owner":
            parent = world.records[recid].parent
            for version in world.versions(parent):
                world.edit(version.facts["recid"], owner=value)
        elif name == "subcounts":
            new = {key: list(values) for key, values in value}
            old = world.records[recid].facts["subcounts"]
            world.edit(recid, subcounts={**old, **new})
        elif name == "files":
            old = world.records[recid].facts["subcounts"]
            world.edit(recid, files=value, subcounts=old)
        else:
            if name == "access" and value != "public":
                world.ever_hidden.add(recid)
            world.edit(recid, **{name: value})


@dataclass(frozen=True)
class Move:
    """Adds a record and all its versions to a community, or removes them."""

    record: int
    community: str
    added: bool
    at: str
    skewed: bool

    def do(self, world):
        """Apply the step to a world."""
        recid = _pick(world.records, self.record)
        if recid is None:
            return
        parent = world.records[recid].parent
        members = world.members[parent]
        (members.add if self.added else members.discard)(self.community)
        for version in world.versions(parent):
            world.notice(version.facts["recid"], self.at, self.skewed)


@dataclass(frozen=True)
class Away:
    """Deletes and restores a record, or removes and adds it in a community."""

    record: int
    community: str | None
    moments: tuple
    skewed: bool

    def do(self, world):
        """Apply the step to a world."""
        left, back = self.moments if self.skewed else sorted(self.moments)
        for at, added in ((left, False), (back, True)):
            if self.community is None:
                Delete(self.record, at).do(world)
            else:
                Move(self.record, self.community, added, at, self.skewed).do(world)


@dataclass(frozen=True)
class Delete:
    """Deletes a record, which is one version, or restores a deleted one."""

    record: int
    at: str

    def do(self, world):
        """Apply the step to a world."""
        recid = _pick(world.records, self.record)
        if recid is None:
            return
        record = world.records[recid]
        record.is_deleted = not record.is_deleted
        deleted = self.at if record.is_deleted else None
        world.edit(recid, is_deleted=record.is_deleted, deleted_date=deleted)
        world.notice(recid, self.at)


@dataclass(frozen=True)
class DeleteCommunity:
    """Deletes a community, or restores a deleted one."""

    community: str
    at: str

    def do(self, world):
        """Apply the step to a world."""
        world.deleted_communities ^= {self.community}
        for recid in world.records:
            world.notice(recid, self.at)


@dataclass(frozen=True)
class Restrict:
    """Restricts a community, or makes a restricted one public."""

    community: str

    def do(self, world):
        """Apply the step to a world."""
        world.restricted ^= {self.community}


@dataclass(frozen=True)
class LoseFacts:
    """Deletes the facts of a record, or restores them."""

    record: int

    def do(self, world):
        """Apply the step to a world."""
        recid = _pick(world.records, self.record)
        # without facts, a record that was hidden stays hidden, which depends on the past
        if recid is not None and recid not in world.ever_hidden:
            world.lost_facts ^= {recid}


@dataclass(frozen=True)
class Use:
    """Stores several usage events of one record, enriched or not."""

    part: str
    record: int | None
    clicks: tuple
    file: tuple
    enriched: bool

    def do(self, world):
        """Apply the step to a world."""
        recid = None if self.record is None else _pick(world.records, self.record)
        for at, fields in self.clicks:
            recid = recid or STRANGER
            id = world.use(self.part, recid, at, self.file, **dict(fields))
            if self.enriched:
                world.enrich(self.part, id)


@dataclass(frozen=True)
class Enrich:
    """Enriches or re-attributes all events.

    Events without enrichment get it, and all events get the communities of the current
    timelines. ``refresh`` names breakdowns to write again.
    """

    refresh: tuple

    def do(self, world):
        """Apply the step to a world."""
        for part, events in world.usage.items():
            for id in list(events):
                world.enrich(part, id, self.refresh)


@dataclass(frozen=True)
class LoseEvent:
    """Deletes a usage event from its index."""

    part: str
    event: int

    def do(self, world):
        """Apply the step to a world."""
        id = _pick(world.usage[self.part], self.event)
        world.usage[self.part].pop(id, None)


@dataclass(frozen=True)
class Recreate:
    """Recreates the indices of some documents with the same documents."""

    name: str

    def do(self, world):
        """Apply the step to a world."""
        world.recreated.add(self.name)


@dataclass(frozen=True)
class Rest:
    """Changes nothing."""

    def do(self, world):
        """Do nothing."""


def _pick(things, number):
    """Return one of the keys, or None if none exists."""
    keys = list(things)
    return keys[number % len(keys)] if keys else None


# -- histories ---------------------------------------------------------------


@dataclass(frozen=True)
class History:
    """The steps of an instance, and when the aggregation runs.

    Attributes:
        steps: the steps, in order.
        cuts: the :class:`Cut` after each step; after the last step it is always a
            complete run.
    """

    steps: tuple
    cuts: tuple

    def moments(self):
        """Yield (step, stored documents after it, the cut after it)."""
        world = World()
        last = Cut(WHOLE)
        for step, cut in zip(self.steps, (*self.cuts[:-1], last), strict=True):
            step.do(world)
            yield step, world.stored(), cut

    def world(self):
        """Return the world after the last step."""
        world = World()
        for step in self.steps:
            step.do(world)
        return world

    def end(self):
        """Return the stored documents after the last step."""
        return self.world().stored()


numbers = st.integers(0, 5)
rarely = st.sampled_from((False, False, False, True))
moments = st.builds("{}T{}".format, st.sampled_from(DAYS), st.sampled_from(TIMES))
communities = st.sampled_from(COMMUNITIES)
parts = st.sampled_from(("view", "download"))
owners = st.sampled_from(("1", "2", None))
dates = st.one_of(st.sampled_from(DATES[:8]), st.sampled_from(DATES))
files = st.lists(st.sampled_from(FILES), max_size=2, unique=True).map(tuple)
subcounts = st.fixed_dictionaries(
    {},
    optional={
        "resource_types": st.sampled_from((("dataset",), ("software",))),
        "access_statuses": st.sampled_from((("open",), ("embargoed",))),
        "subjects": st.lists(
            st.sampled_from(("history", "Ökologie: Wald", "x", "unknown", "_other")),
            max_size=3,
            unique=True,
        ).map(tuple),
        "affiliations": st.sampled_from((("01ggx4157",), ("CERN", "01ggx4157"), ())),
    },
).map(lambda found: tuple(found.items()))

fields = st.fixed_dictionaries(
    {
        "referrer": st.sampled_from(REFERRERS),
        "via_api": st.sampled_from((False, False, False, False, True, None)),
        "is_robot": st.sampled_from((False, False, False, False, True, None)),
        "is_machine": st.sampled_from((False, False, True, True, None)),
        "country": st.sampled_from(("DE", "CA", None)),
        "visitor_id": st.sampled_from(("ann", "ann", "bob", "eve", None)),
    }
).map(lambda found: tuple(found.items()))

publications = st.builds(
    Publish,
    parent=st.one_of(st.none(), numbers),
    at=moments,
    published=dates,
    files=files,
    owner=owners,
    subcounts=subcounts,
    communities=st.frozensets(communities, max_size=2),
)
accesses = st.sampled_from(("public", "hidden", "hidden", "closed"))
changes = st.one_of(
    st.tuples(st.just("owner"), owners),
    st.tuples(st.just("subcounts"), subcounts),
    st.tuples(st.just("files"), files),
    st.tuples(st.just("published"), dates),
    st.tuples(st.just("access"), accesses),
    st.tuples(st.just("access"), accesses),
)
uses = st.builds(
    Use,
    part=parts,
    record=st.one_of(numbers, numbers, numbers, st.none()),
    clicks=st.lists(st.tuples(moments, fields), min_size=1, max_size=4).map(tuple),
    file=st.sampled_from(FILES),
    enriched=st.sampled_from((True, True, True, False)),
)
of_records = (
    publications,
    publications,
    st.builds(Edit, numbers, changes),
    st.builds(
        Move,
        numbers,
        communities,
        st.booleans(),
        moments,
        rarely,
    ),
    st.builds(
        Away,
        numbers,
        st.one_of(st.none(), communities),
        st.tuples(moments, moments),
        rarely,
    ),
    st.builds(Delete, numbers, moments),
    st.builds(DeleteCommunity, communities, moments),
    st.builds(LoseFacts, numbers),
    st.builds(Restrict, communities),
    st.builds(Recreate, st.sampled_from(("facts", "community_events"))),
)
of_usage = (
    uses,
    uses,
    uses,
    st.builds(Enrich, st.sampled_from(((), ("resource_types",), ("subjects",)))),
    st.builds(LoseEvent, parts, st.integers(0, 20)),
    st.builds(Recreate, st.sampled_from(("views", "downloads"))),
)
cuts = st.one_of(
    st.just(Cut()),
    st.builds(
        Cut,
        st.sampled_from((WHOLE, WHOLE, BROKEN, BROKEN, BROKEN, *RUNS)),
        st.integers(1, 40),
        rarely,
    ),
)
of_all = (*of_records, *of_usage, st.just(Rest()))


@st.composite
def histories(draw, kinds=of_all, max_size=14):
    """Return a strategy of histories.

    Args:
        draw: provided by Hypothesis.
        kinds: strategies of the steps; :data:`of_records` or :data:`of_usage` for
            steps of one kind.
        max_size: maximum number of steps besides the one or two records with which
            most histories start.
    """
    first = draw(st.lists(publications, max_size=2))
    least = draw(st.sampled_from((max_size // 2, 1)))
    rest = draw(st.lists(st.one_of(*kinds), min_size=least, max_size=max_size))
    steps = (*first, *rest)
    runs = draw(st.lists(cuts, min_size=len(steps), max_size=len(steps)).map(tuple))
    return History(steps, runs)
