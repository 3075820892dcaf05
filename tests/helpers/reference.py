# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute all aggregates in the simplest way, as a reference.

This module shares no code with the package. It is slow and obviously correct, so tests
compare the package with it. The definitions:

* community: a UUID, or ``global`` for all records and all events.
* day: a UTC day, ``YYYY-MM-DD``; nothing after today counts.
* stay: [added, removed) of a record in a community by its timeline, in whole days:
  the record is present at the end of day D when the day of ``added`` <= D < the day of
  ``removed``; the state at the end of a day counts, so an addition and a removal on one
  day change nothing.
* timeline: the community events of one record and community by ``place``; dates do not
  decrease along the places; a second ``added``, or a ``removed`` without ``added``,
  changes nothing.
* basis ``created``: the first stay starts on the day of ``facts.created`` instead, no
  matter how long before the addition; later stays start on the later of both days.
* basis ``published``: the same with the first day of ``facts.published`` (EDTF), or, if
  it is unreadable, the day of ``facts.created``.
* basis ``added``: the stays themselves.
* record: one version, described by its current facts; without facts it is left out.
* class: ``with_files`` if ``file_count`` > 0, else ``metadata_only``.
* parent: present iff one of its versions is; of the class ``with_files`` iff one of its
  present versions is; a change of class is a removal and an addition.
* values of a record breakdown: each distinct value of the record, ``unknown`` if it has
  none; parents and files of a value are those of the present records with it.
* uploaders of a delta: distinct owners of the records added on that day; of a snapshot:
  distinct owners of the present records; a record without an owner adds none.
* hidden record: one whose ``facts.access`` is ``hidden`` or ``closed``. In each
  record breakdown it counts for the value ``_hidden`` alone, with its usage, except in
  the restricted ones of ``facts.communities``, unless it is ``closed``.
* record delta: the difference between the ends of D-1 and D; a document iff one exists.
* record snapshot: the state at the end of D; a document on the days of a delta.
* a ``top`` breakdown of a record snapshot: the values with most records, ties by id.
* usage event that counts: one that the stock record statistics count: views with
  ``via_api`` false, downloads with ``is_robot`` false, each with a ``unique_id``;
  machines count; and whose ``is_robot`` is not true, unless robots count as in the
  stock statistics. Flags are read as OpenSearch reads them: ``"true"`` is true, and a
  list has all its values.
* a usage event counts on the day of its timestamp for ``global`` and each of its
  ``community_ids``, no matter what the timeline contains now.
* unique_visitors, unique_records, unique_parents, unique_files: distinct
  ``visitor_id``, ``recid``, ``parent_recid``, ``file_id``; an event without one adds
  none.
* values of usage: from the event's own ``subcounts`` for record breakdowns, from its
  fields for event breakdowns; ``unknown`` without a value; an event type without events
  is left out.
* ids that the package assigns: a value ``_other`` or ``_hidden`` of a record or an event
  is ``unknown``.
* host of a referrer: its name in the DNS, letters in Punycode, at most 253 characters;
  anything else, such as an address, is ``unknown``.
* values of a breakdown in a usage delta: besides ``unknown`` and ``_hidden``, the
  ``most`` values with most events (views and downloads together), ties by id; the
  events of the others count for ``_other``: once for each of these values, its
  visitors, records, parents and files once. ``_other`` is the last value, and never one
  of the largest of a snapshot.
* usage delta: a document iff an event counts; usage snapshot: on the days of a delta.
* running totals: events and bytes are sums, unique_visitors is the sum of daily
  uniques, records, parents and files are distinct over all time in ``totals`` and left
  out of values.
* ``top`` breakdowns of a usage snapshot: the largest values by views, and by downloads,
  among those that have any, ties by id; ``all`` breakdowns: every value.
* order of values: most first, then by id; most is records (added and removed together
  in a delta), or views and then downloads.
"""

from collections import defaultdict
from datetime import date, timedelta
from urllib.parse import urlsplit

import idna

from .first_days import first_day

GLOBAL = "global"
UNKNOWN = "unknown"
OTHER, HIDDEN = "_other", "_hidden"
BASES = ("created", "published", "added")
CLASSES = ("metadata_only", "with_files")
FAMILIES = (
    *(f"records-delta-{basis}" for basis in BASES),
    *(f"records-snapshot-{basis}" for basis in BASES),
    "usage-delta",
    "usage-snapshot",
)
"""The families, as the last part of their aliases."""

MOST = (1000, 10_000)
"""Values of a breakdown in a usage delta: by a field of events, and of records."""

_BEFORE_ALL_DAYS = "0000-00-00"


def aggregates(stored, registry, today, top=20, most=MOST, count_robots=False):
    """Return all documents that must exist.

    Args:
        stored: dict with the stored documents' sources in any order: ``views``,
            ``downloads``, ``facts`` and ``community_events``, each an iterable, and
            the ``restricted`` communities, if any.
        registry: the breakdowns as configured: key -> dict of options.
        today: the current UTC day, ``YYYY-MM-DD``.
        top: number of values in a ``top`` breakdown.
        most: number of values in a breakdown of a usage delta; see :data:`MOST`.
        count_robots: whether robots count as in the stock statistics.

    Returns:
        dict: family -> (community, day) -> document.
    """
    found = {family: {} for family in FAMILIES}
    facts = {fact["recid"]: fact for fact in stored["facts"]}
    restricted = stored.get("restricted", frozenset())
    # key -> maximum number of values in a snapshot
    limits = {
        key: top if options.get("show") == "top" else None
        for key, options in registry.items()
        if options is not None and "event" not in options
    }
    stays = stays_of(stored["community_events"])
    for basis in BASES:
        deltas, snapshots = record_documents(
            stays, facts, limits, basis, today, restricted
        )
        found[f"records-delta-{basis}"] = deltas
        found[f"records-snapshot-{basis}"] = snapshots
    found["usage-delta"], found["usage-snapshot"] = usage_documents(
        *(stored["views"], stored["downloads"], registry, top, most),
        *(facts, restricted, count_robots),
    )
    return found


# -- records ---------------------------------------------------------------


def stays_of(community_events):
    """Return (recid, community) -> list of (first day, day of removal or None)."""
    timelines = defaultdict(list)
    for event in community_events:
        timelines[event["recid"], event["community_id"]].append(event)
    return {key: _stays(events) for key, events in timelines.items()}


def _stays(events):
    stays, start, latest = [], None, ""
    for event in sorted(events, key=lambda e: e["place"]):
        latest = max(latest, event["event_date"])
        if event["event_type"] == "added" and start is None:
            start = latest
        if event["event_type"] == "removed" and start is not None:
            stays.append((start[:10], latest[:10]))
            start = None
    if start is not None:
        stays.append((start[:10], None))
    return stays


def present_days(stays, fact, basis):
    """Return (first day, day of removal or None) of each presence of a record."""
    created = fact["created"][:10]
    begin = {
        "created": created,
        "published": first_day(fact["published"]) or created,
        "added": _BEFORE_ALL_DAYS,
    }[basis]
    days = []
    for number, (first, last) in enumerate(stays, start=1):
        if basis != "added":
            first = begin if number == 1 else max(begin, first)
        if last is None or first < last:
            days.append((first, last))
    return days


def _seen_in(community, thing, fact, restricted):
    """Return a record's facts, or an event of the record, as a community counts it."""
    if not fact or fact.get("access") not in ("hidden", "closed"):
        return thing
    own = restricted & set(fact["communities"])
    if fact["access"] == "hidden" and community in own:
        return thing
    return {**thing, "folds": True}


def record_documents(stays, all_facts, limits, basis, today, restricted):
    """Return deltas and snapshots of records on one basis."""
    deltas, snapshots = {}, {}
    for community in {community for _, community in stays}:
        facts = {
            recid: _seen_in(community, fact, fact, restricted)
            for recid, fact in all_facts.items()
        }
        present = {
            recid: present_days(found, facts[recid], basis)
            for (recid, where), found in stays.items()
            if where == community and recid in facts
        }
        days = {day for spans in present.values() for span in spans for day in span}
        for day in sorted(d for d in days if d is not None and d <= today):
            before = _present_at(present, facts, _day_before(day))
            after = _present_at(present, facts, day)
            if before == after:
                continue
            deltas[community, day] = {
                "community_id": community,
                "period_start": day,
                **_difference(before, after),
                "uploaders": len(_owners(_without(after, before))),
                "subcounts": _record_cells(limits, before, after, _difference, _gross),
            }
            cells = _record_cells(limits, {}, after, _state, _size)
            snapshots[community, day] = {
                "community_id": community,
                "snapshot_date": day,
                "total_records": _classes(_records(after)),
                "total_parents": _classes(_parents(after)),
                "total_files": _files(after),
                "total_uploaders": len(_owners(after)),
                "subcounts": {key: cells[key][: limits[key]] for key in limits},
            }
    return deltas, snapshots


def _day_before(day):
    if day == "0001-01-01":
        return _BEFORE_ALL_DAYS
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def _present_at(present, facts, day):
    """Return recid -> facts of the records that are present at the end of a day."""
    return {
        recid: facts[recid]
        for recid, spans in present.items()
        if any(f <= day and (last is None or day < last) for f, last in spans)
    }


def _without(records, others):
    return {recid: fact for recid, fact in records.items() if recid not in others}


def _class(fact):
    return "with_files" if fact["file_count"] > 0 else "metadata_only"


def _records(records):
    """Return recid -> class."""
    return {recid: _class(fact) for recid, fact in records.items()}


def _parents(records):
    """Return parent -> class."""
    parents = {}
    for fact in records.values():
        if parents.get(fact["parent_id"]) != "with_files":
            parents[fact["parent_id"]] = _class(fact)
    return parents


def _classes(classes):
    """Count classes."""
    return {name: list(classes.values()).count(name) for name in CLASSES}


def _files(records):
    return {
        "file_count": sum(fact["file_count"] for fact in records.values()),
        "data_volume": sum(fact["data_volume"] for fact in records.values()),
    }


def _owners(records):
    return {fact["owner"] for fact in records.values()} - {None}


def _difference(before, after):
    """Return what is added and removed between two sets of records."""

    def only(some, others):
        """Count the (thing, class) pairs that only the first set contains."""
        return _classes(dict(set(some.items()) - set(others.items())))

    records = _records(before), _records(after)
    parents = _parents(before), _parents(after)
    return {
        "records": {
            "added": only(records[1], records[0]),
            "removed": only(records[0], records[1]),
        },
        "parents": {
            "added": only(parents[1], parents[0]),
            "removed": only(parents[0], parents[1]),
        },
        "files": {
            "added": _files(_without(after, before)),
            "removed": _files(_without(before, after)),
        },
    }


def _state(_, after):
    return {
        "records": _classes(_records(after)),
        "parents": _classes(_parents(after)),
        "files": _files(after),
    }


def _record_cells(keys, before, after, numbers, size):
    """Return key -> values whose numbers are not all zero."""
    subcounts = {}
    for key in keys:
        cells = []
        for value in _all_values(before, key) | _all_values(after, key):
            inside = _in_cell(before, key, value), _in_cell(after, key, value)
            cells.append({"id": value, **numbers(*inside)})
        subcounts[key] = _sorted([cell for cell in cells if size(cell)], size)
    return subcounts


def _values(fact, key):
    """Return the distinct values of facts, or of an event, in a record breakdown."""
    if fact.get("folds"):
        return {HIDDEN}
    values = set((fact.get("subcounts") or {}).get(key) or [])
    return {_outside(value) for value in values} or {UNKNOWN}


def _outside(value):
    """Return the id of a value that comes from outside."""
    return UNKNOWN if value in (None, "", OTHER, HIDDEN) else value


def _all_values(records, key):
    return {value for fact in records.values() for value in _values(fact, key)}


def _in_cell(records, key, value):
    return {r: fact for r, fact in records.items() if value in _values(fact, key)}


def _sorted(cells, size):
    return sorted(cells, key=lambda cell: (-size(cell), cell["id"]))


def _size(cell):
    return sum(cell["records"].values())


def _gross(cell):
    records = cell["records"]
    return sum(records["added"].values()) + sum(records["removed"].values())


# -- usage -----------------------------------------------------------------


def counts(part, event, count_robots=False):
    """Return whether a stored event counts.

    Args:
        part: ``view`` or ``download``.
        event: its source.
        count_robots: whether robots count as in the stock statistics.
    """
    if event.get("unique_id") is None:
        return False
    if not count_robots and "true" in flags(event.get("is_robot")):
        return False
    flag = {"view": "via_api", "download": "is_robot"}[part]
    return "false" in flags(event.get(flag))


def flags(value):
    """Return the values of a boolean field, as OpenSearch reads them."""
    values = value if isinstance(value, list) else [value]
    return {str(v or False).lower() for v in values if v is not None}


def usage_documents(
    views,
    downloads,
    registry,
    top,
    most=MOST,
    facts=None,
    restricted=frozenset(),
    count_robots=False,
):
    """Return deltas and snapshots of usage."""
    by_day = defaultdict(lambda: defaultdict(list))
    for part, events in (("view", views), ("download", downloads)):
        for event in events:
            if not counts(part, event, count_robots):
                continue
            day = event["timestamp"][:10]
            for community in {GLOBAL, *(event.get("community_ids") or [])}:
                fact = (facts or {}).get(event["recid"])
                seen = _seen_in(community, event, fact, restricted)
                by_day[community][day].append((part, seen))
    deltas, snapshots = {}, {}
    for community, days in by_day.items():
        so_far, running = [], []
        for day in sorted(days):
            so_far += days[day]
            delta = _usage_delta(community, day, days[day], registry, most)
            running.append(delta)
            deltas[community, day] = delta
            snapshots[community, day] = {
                "community_id": community,
                "snapshot_date": day,
                "totals": _running_totals(so_far, running),
                "subcounts": _running_cells(running, registry, top),
            }
    return deltas, snapshots


def _usage_delta(community, day, events, registry, most):
    subcounts = {}
    for key, options in registry.items():
        if options is None:
            continue
        of_values = defaultdict(list)
        for part, event in events:
            for value in cell_ids(event, key, options):
                of_values[value].append((part, event))
        limit = most[0] if "event" in options else most[1]
        cells = []
        for value, inside in _named(of_values, limit).items():
            metrics = _metrics(inside)
            cells.append({"id": value, **{p: metrics[p] for p, _ in inside}})
        subcounts[key] = _most_used(cells)
    return {
        "community_id": community,
        "period_start": day,
        "totals": _metrics(events),
        "subcounts": subcounts,
    }


def _named(of_values, limit):
    """Return value -> its events, with ``_other`` for all but the largest values."""
    outside = sorted(
        of_values.keys() - {UNKNOWN, HIDDEN},
        key=lambda value: (-len(of_values[value]), value),
    )
    named = [v for v in (UNKNOWN, HIDDEN, *outside[:limit]) if v in of_values]
    named = {value: of_values[value] for value in named}
    rest = [pair for value in outside[limit:] for pair in of_values[value]]
    return {**named, OTHER: rest} if rest else named


def _metrics(events):
    """Return the metrics of (part, event) pairs."""
    views = [event for part, event in events if part == "view"]
    downloads = [event for part, event in events if part == "download"]
    return {
        "view": _uniques(views),
        "download": {
            **_uniques(downloads),
            "unique_files": _distinct(downloads, "file_id"),
            "total_volume": sum(event.get("size") or 0 for event in downloads),
        },
    }


def _uniques(events):
    return {
        "total_events": len(events),
        "unique_visitors": _distinct(events, "visitor_id"),
        "unique_records": _distinct(events, "recid"),
        "unique_parents": _distinct(events, "parent_recid"),
    }


def _distinct(events, field):
    return len({event.get(field) for event in events} - {None})


def _running_totals(events, deltas):
    """Return totals of all events so far; visitors are the sum of the days."""
    totals = _metrics(events)
    for part, metrics in totals.items():
        metrics["unique_visitors"] = sum(
            delta["totals"][part]["unique_visitors"] for delta in deltas
        )
    return totals


def _running_cells(deltas, registry, top):
    subcounts = {}
    for key, options in registry.items():
        if options is None:
            continue
        totals = defaultdict(dict)
        for delta in deltas:
            for cell in delta["subcounts"][key]:
                _add(totals[cell["id"]], cell)
        cells = [{"id": value, **parts} for value, parts in totals.items()]
        if show(options) == "all":
            subcounts[key] = _most_used(cells)
        else:
            subcounts[key] = {
                f"by_{part}": _sorted(
                    [c for c in cells if part in c and c["id"] != OTHER],
                    lambda cell, part=part: cell[part]["total_events"],
                )[:top]
                for part in ("view", "download")
            }
    return subcounts


def _add(total, cell):
    """Add the metrics that can be added up."""
    for part in ("view", "download"):
        for name in ("total_events", "unique_visitors", "total_volume"):
            if name in cell.get(part, {}):
                into = total.setdefault(part, {})
                into[name] = into.get(name, 0) + cell[part][name]


def _most_used(cells):
    def used(cell):
        return [-cell.get(p, {}).get("total_events", 0) for p in ("view", "download")]

    return sorted(
        cells, key=lambda cell: (cell["id"] == OTHER, *used(cell), cell["id"])
    )


def show(options):
    """Return whether snapshots contain ``all`` values of a breakdown or the ``top``."""
    default = "top" if options.get("event") == "referrer" else "all"
    return options.get("show", default)


def cell_ids(event, key, options):
    """Return the values of a breakdown for which an event counts."""
    if "event" not in options:
        return _values(event, key)
    value = event.get(options["event"])
    extract = options.get("extract", "value")
    if extract == "host" or options["event"] == "referrer":
        return {host(value) or UNKNOWN}
    if extract == "agent":
        return {UNKNOWN if value is None else "machine" if value else "human"}
    if isinstance(value, bool):
        value = str(value).lower()
    return {_outside(value)}


def host(url):
    """Return the name in the DNS of the host of a URL; None if it has none."""
    try:
        found = urlsplit(url or "").hostname or ""
        found = found if found.isascii() else idna.encode(found, uts46=True).decode()
    except ValueError:
        return None
    labels = found.split(".")
    if labels[-1] == "":
        labels.pop()
    name = ".".join(labels)
    if not 1 <= len(name) <= 253 or not all(map(_is_label, labels)):
        return None
    last = labels[-1]
    is_address = last.isdigit() or (
        last.startswith("0x") and set(last[2:]) <= set("0123456789abcdef")
    )
    return None if is_address else name


def _is_label(text):
    """Return whether a text is one label of a name in the DNS."""
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
    if not 1 <= len(text) <= 63 or set(text) - set(allowed):
        return False
    if text[0] == "-" or text[-1] == "-":
        return False
    if text.startswith("xn--"):
        try:
            return idna.encode(idna.decode(text)).decode() == text
        except ValueError:
            return False
    return True
