# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What happened in the repository in the last months, as a plan with dates.

``content.py`` makes it happen through the services, ``backdate.py`` puts the
dates into the database afterwards.
"""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from . import metadata
from .visits import Choice

USERS = ("ann", "bob", "chen", "dora")


@dataclass(frozen=True)
class Community:
    """A community of the plan.

    Attributes:
        slug: its slug.
        title: its title.
        owner: the user who makes it.
        age: its age in days when a story of :data:`DAYS` ends.
        restricted: only members can see it.
        parent: slug of the community that it belongs to.
        deleted: days before the end of such a story at which it is deleted.
    """

    slug: str
    title: str
    owner: str
    age: int
    restricted: bool = False
    parent: str | None = None
    deleted: int | None = None

    def created(self, end: datetime, days: int) -> datetime:
        """Return when it is made, in a story of some days that ends at a moment."""
        return end - timedelta(days=self.age * days / DAYS)

    def gone(self, end: datetime, days: int) -> datetime | None:
        """Return when it is deleted, if it is; see :meth:`created`."""
        return (
            end - timedelta(days=self.deleted * days / DAYS) if self.deleted else None
        )


DAYS = 550
"""Length of the longest story, of 18 months."""

COMMUNITIES = (
    Community("climate", "Climate data", "ann", 545),
    Community("climate-models", "Climate models", "ann", 390, parent="climate"),
    Community("genomics", "Genomics", "bob", 540),
    Community("linguistics", "Linguistics", "chen", 430),
    Community("physics-lab", "Physics laboratory", "dora", 500, restricted=True),
    Community("theses", "Theses", "bob", 545),
    Community("urban", "Urban planning", "chen", 170),
    Community("finished-project", "Finished project", "dora", 450, deleted=80),
)


@dataclass(frozen=True)
class Step:
    """Something that happens to a record after it was published.

    Attributes:
        kind: include (a request is accepted), declined (a request is declined),
            bulk, remove, version, delete or restore.
        at: when (naive UTC).
        community: slug, where the step is about one.
    """

    kind: str
    at: datetime
    community: str | None = None


@dataclass(frozen=True)
class Deposit:
    """A record of the plan.

    Attributes:
        number: told in the title.
        owner: the user who uploads it.
        drafted: when the draft is made.
        published: when the first version is published; with a review, that is
            when the request is accepted.
        path: direct (published without a community), submission (a review is
            accepted) or unreviewed (into the community without a review).
        community: slug of the submission's community.
        access: open, restricted, embargoed, files-restricted or metadata-only.
        metadata: metadata of the record.
        custom_fields: custom fields of the record.
        files: ``(name, bytes)`` pairs.
        steps: what happens later, in the order of time.
    """

    number: int
    owner: str
    drafted: datetime
    published: datetime
    path: str
    community: str | None
    access: str
    metadata: dict
    custom_fields: dict
    files: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...] = ()


_path = Choice({"direct": 60, "submission": 25, "unreviewed": 15})
_access = Choice(
    {
        "open": 78,
        "metadata-only": 9,
        "restricted": 6,
        "embargoed": 4,
        "files-restricted": 3,
    }
)


def days_of(months: int) -> int:
    """Return the length of a story of some months, in days."""
    return DAYS * months // 18


def deposits(count, end, seed=0, days=DAYS):
    """Plan a number of records.

    Args:
        count: how many, new versions not counted.
        end: the moment at which the story ends (naive UTC).
        seed: the same seed gives the same story.
        days: its length.

    Returns:
        list[Deposit]: in the order of their publication.
    """
    rng = random.Random(f"{seed} story")
    oldest = (end - min(c.created(end, days) for c in COMMUNITIES)).days
    planned = []
    for number in range(1, count + 1):
        # a sixth is there from the beginning, the rest comes with some growth
        share = 1 - rng.random() ** 0.8 if number % 6 != 1 else 0.999
        age = timedelta(days=max(2, share * (oldest - 6)), seconds=rng.random() * 86400)
        planned.append(_deposit(rng, number, end - age, end, days))
    return sorted(planned, key=lambda deposit: deposit.published)


def _deposit(rng, number, published, end, days):
    access = _access(rng)
    data, custom = metadata.metadata(rng, number, published.date())
    path = _path(rng)
    community = None
    if path != "direct":
        community = _some_community(rng, published, end, access, days=days)
    deposit = Deposit(
        number=number,
        owner=rng.choice(USERS),
        drafted=published - timedelta(hours=rng.expovariate(1 / 40) + 0.1),
        published=published,
        path=path if community else "direct",
        community=community,
        access=access,
        metadata=data,
        custom_fields=custom,
        files=() if access == "metadata-only" else metadata.files(rng),
    )
    if deposit.path == "unreviewed":
        owner = next(c.owner for c in COMMUNITIES if c.slug == community)
        deposit = replace(deposit, owner=owner)
    return replace(deposit, steps=tuple(_steps(rng, deposit, end, days)))


def _steps(rng, deposit, end, days):
    """Yield what happens to a record; each step later than the one before."""

    def some_community(at):
        return _some_community(rng, at, end, deposit.access, inside, days)

    moment = _Moment(rng, deposit.published, end)
    inside = {deposit.community} - {None}
    joins = 1 if deposit.path == "direct" and rng.random() < 0.75 else 0
    joins += rng.choices((0, 1, 2), (80, 16, 4))[0] if inside or joins else 0
    for _ in range(joins):
        at = moment.next()
        community = some_community(at)
        if community:
            inside.add(community)
            yield Step(rng.choice(("include", "include", "bulk")), at, community)
    turn = deposit.number % 50
    if inside and turn in (7, 17, 27, 37):
        gone = sorted(inside)[0]
        yield Step("remove", moment.next(), gone)
        if turn in (7, 27):  # moved
            at = moment.next()
            target = some_community(at)
            if target:
                yield Step("include", at, target)
    elif turn == 13:
        at = moment.next()
        refused = some_community(at)
        if refused:
            yield Step("declined", at, refused)
    elif turn in (3, 23, 43):
        yield Step("version", moment.next())
    elif turn in (11, 31):
        yield Step("delete", moment.next())
        if turn == 31:
            yield Step("restore", moment.next())


class _Moment:
    """Moments one after the other, all before the end."""

    def __init__(self, rng, start, end):
        self.rng, self.now, self.end = rng, start, end

    def next(self):
        """Return a later moment: a few weeks, or a part of what is left."""
        left = (self.end - self.now).total_seconds()
        wait = min(self.rng.expovariate(1 / (25 * 86400)), left * 0.4)
        self.now += timedelta(seconds=max(wait, min(60, left / 10)))
        return self.now


def exists(community, at, end, days=DAYS):
    """Return whether a community is there at a moment, with some hours to spare."""
    spare, gone = timedelta(hours=6), community.gone(end, days)
    return community.created(end, days) + spare <= at and (
        not gone or at < gone - spare
    )


def _some_community(rng, at, end, access, but=(), days=DAYS):
    """Return the slug of a community that can take a record then, or None.

    A restricted community takes restricted records only. The members of a child
    are members of its parent, too, so such pairs are left to the child.
    """
    family = {"climate", "climate-models"}
    taken = set(but) | (family if family & set(but) else set())
    choice = [
        c.slug
        for c in COMMUNITIES
        if exists(c, at, end, days)
        and c.slug not in taken
        and (access == "restricted" or not c.restricted)
    ]
    if access == "restricted" and "physics-lab" in choice:
        return "physics-lab"
    return rng.choice(choice) if choice else None
