# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Usage deltas as documents, and what was seen beside them.

The cells of a month are millions of small objects, which Python takes longer to make
than everything else together. So the JSON of cells is put together as columns of text.
"""

from array import array
from base64 import b64decode, b64encode

import msgspec
import polars as pl

from ..documents import Document
from .counting import SEEN, community_names, seen

VIEW = ("total_events", "unique_visitors", "unique_records", "unique_parents")
"""The metrics of views, in the order in which a document has them."""

DOWNLOAD = (*VIEW, "unique_files", "total_volume")
"""The metrics of downloads."""

PARTS = (("view", VIEW), ("download", DOWNLOAD))
"""Event types and their metrics, by the number of the type in the columns."""

_DOCUMENT = ["day", "community"]
_NONE = msgspec.Raw(b"[]")


def deltas(counted):
    """Return the usage deltas of some days.

    Args:
        counted: a :class:`~.counting.Counted`.

    Yields:
        Document: sorted by day, then community.
    """
    days, communities = counted.days, counted.communities
    totals = _totals(counted.totals)
    cells = {
        name: _cells(values, frame) for name, (values, frame) in counted.cells.items()
    }
    order = sorted(totals, key=lambda key: (days[key[0]], communities[key[1]]))
    for key in order:
        day, community = days[key[0]], communities[key[1]]
        body = {
            "community_id": community,
            "period_start": day,
            "totals": totals[key],
            "subcounts": {
                name: of_name.pop(key, _NONE) for name, of_name in cells.items()
            },
        }
        yield Document(community, day, body)


def totals_of(counted, community):
    """Return the totals of one community by day.

    Args:
        counted: a :class:`~.counting.Counted`.
        community: UUID or ``global``.
    """
    totals = _totals(counted.totals)
    return {
        counted.days[day]: found
        for (day, number), found in totals.items()
        if counted.communities[number] == community
    }


def seen_documents(columns):
    """Return what was seen in each community and day, as documents.

    Args:
        columns: a :class:`~.columns.Columns`.

    Yields:
        Document: sorted by day, then community.
    """
    days, communities = columns.days.texts, community_names(columns)
    found = {}
    for kind, frame in seen(columns):
        for day, community, hashes in frame.iter_rows():
            of_day = found.setdefault((days[day], communities[community]), {})
            of_day[kind] = packed(hashes)
    for day, community in sorted(found):
        of_day = found[day, community]
        body = {
            "community_id": community,
            "period_start": day,
            "seen": {kind: of_day[kind] for kind in SEEN if kind in of_day},
        }
        yield Document(community, day, body)


def packed(hashes):
    """Return 64-bit numbers as a text."""
    return b64encode(array("Q", hashes).tobytes()).decode()


def array_of(text):
    """Return the 64-bit numbers of a text."""
    numbers = array("Q")
    numbers.frombytes(b64decode(text))
    return numbers


def _totals(frame):
    """Return the totals of each document, zeros included."""
    totals = {}
    for *key, kind, row in zip(
        frame["day"],
        frame["community"],
        frame["kind"],
        frame.select(DOWNLOAD).iter_rows(),
        strict=True,
    ):
        found = totals.setdefault(
            tuple(key), {part: dict.fromkeys(names, 0) for part, names in PARTS}
        )
        part, names = PARTS[kind]
        found[part] = dict(zip(names, row, strict=False))
    return totals


def _cells(values, frame):
    """Return the JSON of the cells of each document, the largest first."""
    quoted = [msgspec.json.encode(value).decode() for value in values]
    ids = pl.DataFrame(
        {"value": range(len(values)), "id": values, "quoted": quoted},
        schema={"value": pl.UInt32, "id": pl.String, "quoted": pl.String},
    )
    kinds = [frame.filter(pl.col("kind") == number) for number in range(len(PARTS))]
    parts = [
        of_kind.select(
            *_DOCUMENT,
            "value",
            "kind",
            "total_events",
            _object(part, names).alias("text"),
        )
        for of_kind, (part, names) in zip(kinds, PARTS, strict=True)
    ]
    events = pl.col("total_events")
    cells = (
        pl.concat(parts)
        .group_by(*_DOCUMENT, "value", maintain_order=True)
        .agg(
            pl.col("text").str.join(","),
            events.filter(pl.col("kind") == 0).sum().alias("views"),
            events.filter(pl.col("kind") == 1).sum().alias("downloads"),
        )
        .join(ids, on="value")
        .sort("views", "downloads", "id", descending=[True, True, False])
        .with_columns(
            pl.concat_str(
                pl.lit('{"id":'), "quoted", pl.lit(","), "text", pl.lit("}")
            ).alias("text")
        )
        .group_by(_DOCUMENT, maintain_order=True)
        .agg(pl.col("text").str.join(","))
    )
    return {
        (day, community): msgspec.Raw(f"[{text}]".encode())
        for day, community, text in cells.iter_rows()
    }


def _object(part, names):
    pieces = [pl.lit(f'"{part}":{{')]
    for number, name in enumerate(names):
        comma = "," if number else ""
        pieces += [pl.lit(f'{comma}"{name}":'), pl.col(name).cast(pl.String)]
    return pl.concat_str([*pieces, pl.lit("}")])
