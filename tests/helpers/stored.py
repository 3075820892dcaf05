# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store the documents of a history in OpenSearch, and compare the aggregates.

A test stores the documents, makes the package aggregate, and calls
:func:`assert_equal_to_reference`::

    instance = StoredInstance(client, names)
    for _, stored, cut in history.moments():
        instance.put(stored)
        if cut.kind == WHOLE:
            ...  # aggregate
            assert_equal_to_reference(client, names, stored, registry, today)
"""

import json

from invenio_stats_dashboard.community_events.store import EventStore

from . import reference
from .simulation import Stored

ADDED_BY_STORING = ("checksum", "updated_timestamp")
"""Fields of a stored aggregate that do not belong to its content."""

SHOWN = 12
"""Maximum number of differences that are shown."""


class StoredInstance:
    """The indices of one instance, filled with the documents of a history.

    Args:
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, client, names):
        """Put the missing templates, without storing documents."""
        self._client, self._names = client, names
        self._last = Stored()
        EventStore(client, names).ensure_templates()

    def put(self, stored):
        """Make the indices contain the given documents; write only differences.

        Args:
            stored: a :class:`~.simulation.Stored`.
        """
        lines = []
        for name in ("views", "downloads", "facts", "community_events"):
            before, after = getattr(self._last, name), getattr(stored, name)
            if name in stored.recreated and after:
                pattern = self._pattern(name)
                self._client.indices.delete(index=pattern, ignore=[404])
                before = {}
            for id in before.keys() - after.keys():
                where = {"_index": self._index(name, before[id]), "_id": id}
                lines.append({"delete": where})
            for id, source in after.items():
                if before.get(id) != source:
                    where = {"_index": self._index(name, source), "_id": id}
                    lines += [{"index": where}, source]
        if lines:
            answer = self._client.bulk(body=lines, refresh=True)
            assert not answer["errors"], json.dumps(answer)[:2000]
        self._last = stored

    def _index(self, name, source):
        """Return the index of a document."""
        if name == "facts":
            return self._names.record_facts
        if name == "community_events":
            return f"{self._names.community_events}-{source['record_created_date'][:4]}"
        return self._names.events_month(_part(name), source["timestamp"][:7])

    def _pattern(self, name):
        """Return the pattern of the indices that contain some documents."""
        if name == "facts":
            return self._names.record_facts
        if name == "community_events":
            return (
                f"{self._names.community_events}-1*,{self._names.community_events}-2*"
            )
        return f"{self._names.events_alias(_part(name))}-*"


def _part(name):
    return {"views": "view", "downloads": "download"}[name]


def aggregates_in(client, names, families=reference.FAMILIES):
    """Return all stored aggregates in the format of the reference.

    Args:
        client: decodes responses.
        names: the instance's index names.
        families: the families to read.

    Returns:
        dict: family -> (community, day) -> document, without what storing adds.
    """
    return {family: _read(client, names, family) for family in families}


def _read(client, names, family):
    found, alias = {}, f"{names.prefix}stats-community-{family}"
    # also indices without an alias, which would otherwise never be noticed
    pattern = f"{alias},{alias}-*"
    client.indices.refresh(index=pattern, ignore_unavailable=True)
    starts = sorted(client.indices.get(index=f"{alias}-*"))
    body = {"size": 1000, "sort": ["_index", "_doc"]}
    while True:
        hits = client.search(index=pattern, body=body, ignore_unavailable=True)
        hits = hits["hits"]["hits"]
        if not hits:
            return found
        for hit in hits:
            community, _, day = hit["_id"].rpartition(":")
            # the last index that starts in the day's year or before
            place = max(name for name in starts if name[-4:] <= day[:4])
            assert hit["_index"] == place, f"{hit['_index']} holds {hit['_id']}"
            assert (
                community,
                day,
            ) not in found, f"{family} {hit['_id']} is there twice"
            source = dict(hit["_source"])
            for name in ADDED_BY_STORING:
                source.pop(name, None)
            found[community, day] = source
        body["search_after"] = hits[-1]["sort"]


def assert_equal_to_reference(
    client,
    names,
    stored,
    registry,
    today,
    top=20,
    families=reference.FAMILIES,
    most=reference.MOST,
    count_robots=False,
):
    """Check that the stored aggregates are those of the reference.

    Args:
        client: decodes responses.
        names: the instance's index names.
        stored: the :class:`~.simulation.Stored` at the time of the aggregation.
        registry: the breakdowns as configured: key -> dict of options.
        today: the current UTC day, ``YYYY-MM-DD``.
        top: number of values in a ``top`` breakdown.
        families: the families to compare.
        most: number of values in a breakdown of a usage delta.
        count_robots: whether robots count as in the stock statistics.

    Raises:
        AssertionError: shows the first differences.
    """
    wanted = reference.aggregates(
        stored.sources(), registry, today, top, most, count_robots
    )
    wanted = {family: wanted[family] for family in families}
    assert_same(aggregates_in(client, names, families), wanted)


def assert_sums_of_months(client, names, registry, least):
    """Check that the month sums are the sums of the stored usage deltas.

    Args:
        client: decodes responses.
        names: the instance's index names.
        registry: the breakdowns as configured: key -> dict of options.
        least: minimum number of days in a month with a sum.

    Raises:
        AssertionError: shows the first differences.
    """
    keys = [
        k for k, options in registry.items() if reference.show(options or {}) == "top"
    ]
    by_month = {}
    for (community, day), delta in _read(client, names, "usage-delta").items():
        by_month.setdefault((community, day[:7]), []).append(delta)
    wanted = {
        f"{community}:{month}-01:{key}": _sums(deltas, key)
        for (community, month), deltas in by_month.items()
        if len(deltas) >= least
        for key in keys
    }
    alias = f"{names.prefix}stats-community-usage-month"
    client.indices.refresh(index=f"{alias}-*", ignore_unavailable=True)
    body = {"size": 10_000}
    answer = client.search(index=f"{alias}-*", body=body, ignore_unavailable=True)
    found = {
        hit["_id"]: _rows(hit["_source"]["cells"]) for hit in answer["hits"]["hits"]
    }
    assert len(found) < 10_000
    different = list(differences(found, wanted))
    assert not different, "\n".join(different[:SHOWN])


_SUMMED = (
    ("view", "total_events"),
    ("view", "unique_visitors"),
    ("download", "total_events"),
    ("download", "unique_visitors"),
    ("download", "total_volume"),
)


def _sums(deltas, key):
    """Return id -> the sums of a value over some deltas."""
    sums = {}
    for delta in deltas:
        for cell in delta["subcounts"].get(key, ()):
            row = sums.setdefault(cell["id"], [0] * len(_SUMMED))
            for place, (part, field) in enumerate(_SUMMED):
                row[place] += cell.get(part, {}).get(field, 0)
    return {id: ":".join(map(str, row)) for id, row in sums.items()}


def _rows(cells):
    """Return id -> numbers in the columns of a month."""
    columns = [cells[part][field] for part, field in _SUMMED]
    assert {len(column) for column in columns} == {len(cells["ids"])}
    return {
        id: ":".join(map(str, row))
        for id, row in zip(cells["ids"], zip(*columns, strict=True), strict=True)
    }


def assert_same(found, wanted):
    """Check that two sets of aggregates are equal.

    Args:
        found: family -> (community, day) -> document that exists.
        wanted: the same for documents that should exist.

    Raises:
        AssertionError: shows the first differences.
    """
    different = list(differences(_plain(found), _plain(wanted)))
    more = f"\n… and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
    assert not different, "\n" + "\n".join(different[:SHOWN]) + more


def _plain(aggregates):
    """Return aggregates with text keys, without empty breakdowns."""
    return {
        family: {
            f"{community}:{day}": _without_empty(document)
            for (community, day), document in documents.items()
        }
        for family, documents in aggregates.items()
    }


def _without_empty(document):
    subcounts = {
        key: cells
        for key, cells in document.get("subcounts", {}).items()
        if cells and cells != {"by_view": [], "by_download": []}
    }
    return {**document, "subcounts": subcounts}


def differences(found, wanted, path=""):
    """Yield a sentence for each difference between two nested values."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in [*wanted, *(k for k in found if k not in wanted)]:
            here = f"{path}/{key}"
            if key not in found:
                yield f"{here} is missing; should be {_short(wanted[key])}"
            elif key not in wanted:
                yield f"{here} should not be; is {_short(found[key])}"
            else:
                yield from differences(found[key], wanted[key], here)
    elif isinstance(found, list) and isinstance(wanted, list) and found != wanted:
        ids = [[cell["id"] for cell in cells] for cells in (found, wanted)]
        if ids[0] != ids[1]:
            yield f"{path} has the cells {ids[0]}; should have {ids[1]}"
        cells = [{cell["id"]: cell for cell in cells} for cells in (found, wanted)]
        for id in cells[0].keys() & cells[1].keys():
            yield from differences(cells[0][id], cells[1][id], f"{path}/{id}")
    elif found != wanted:
        yield f"{path} is {_short(found)}; should be {_short(wanted)}"


def _short(value):
    text = json.dumps(value)
    return text if len(text) < 300 else f"{text[:300]}…"
