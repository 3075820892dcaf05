# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Hiding how few visitors did something: pure rules.

Only the breakdowns of events tell of visitors: from where, by what. A cell with fewer
visitors than the minimum is not told, nor is one without any, so that what is not told
does not say that there was somebody. What is not told can be had together by subtracting
the others from the total; where it is a single cell, or has fewer visitors than the minimum
together, the next smallest is not told either.
"""

from dataclasses import dataclass

VARIABLE = "STATS_DASHBOARD_MIN_VISITORS"

VIEW, DOWNLOAD = PARTS = ("view", "download")
"""Parts of a cell: each has visitors of its own."""

VISITORS = {VIEW: "view_visitors", DOWNLOAD: "download_visitors"}
"""Part -> the metric that counts its visitors."""

_BOTH = {f"by_{part}": part for part in PARTS}


@dataclass(frozen=True)
class SmallNumbers:
    """The rules of one instance.

    Attributes:
        minimum: visitors that a cell must have to be told; None tells all.
        breakdowns: keys of the breakdowns that the rules are for.
    """

    minimum: int | None = None
    breakdowns: frozenset = frozenset()

    def concern(self, breakdown):
        """Tell whether cells of a breakdown may have to be hidden."""
        return self.minimum is not None and breakdown in self.breakdowns

    def hidden(self, visitors):
        """Return which cells are not told.

        Args:
            visitors: id -> number of visitors, of the cells in which there was anything.

        Returns:
            set: their ids.
        """
        few = {id for id, number in visitors.items() if number < self.minimum}
        others = sorted((n, id) for id, n in visitors.items() if id not in few)
        together = sum(visitors[id] for id in few)
        # one is enough: it has the minimum by itself
        if few and others and (len(few) == 1 or together < self.minimum):
            few.add(others[0][1])
        return few

    def suppressed_table(self, table, places, visitors):
        """Return a table in which the numbers that are not told are None.

        Args:
            table: id -> list of numbers.
            places: part -> places of its numbers in the lists.
            visitors: part -> place of its visitors.

        Returns:
            dict: id -> list; without the cells of which nothing is told.
        """
        told = {id: list(row) for id, row in table.items()}
        for part, its in places.items():
            place = visitors[part]
            there = {
                id: row[place]
                for id, row in table.items()
                if row[place] or any(row[p] for p in its)
            }
            few = self.hidden(there)
            for id, row in told.items():
                if id in few or id not in there:
                    for p in its:
                        row[p] = None
        return {id: row for id, row in told.items() if any(row)}

    def suppressed(self, document):
        """Return a usage document without the cells that are not told.

        Args:
            document: a delta or snapshot of usage as it is stored, as a dict.

        Returns:
            dict: the document, or a copy with other ``subcounts``: a cell that is told
            of one part only has only that part.
        """
        subcounts = document.get("subcounts") or {}
        concerned = [key for key in subcounts if self.concern(key)]
        if not concerned:
            return document
        told = {key: self._cells(subcounts[key]) for key in concerned}
        return {**document, "subcounts": {**subcounts, **told}}

    def _cells(self, cells):
        if not isinstance(cells, dict):
            return _told(cells, self._few(cells), PARTS)
        # what one list hides, the other does not tell
        every = {cell["id"]: cell for its in cells.values() for cell in its}
        few = self._few(every.values())
        return {name: _told(its, few, (_BOTH[name],)) for name, its in cells.items()}

    def _few(self, cells):
        """Return for each part the ids of the cells that are not told of it."""
        return {
            part: self.hidden(
                {c["id"]: c[part]["unique_visitors"] for c in cells if part in c}
            )
            for part in PARTS
        }


def _told(cells, few, parts):
    """Return cells without what is not told, those of which some part is left."""
    told = [
        {
            name: value
            for name, value in cell.items()
            if name not in few or cell["id"] not in few[name]
        }
        for cell in cells
    ]
    return [cell for cell in told if any(part in cell for part in parts)]


def small_numbers(config, subcounts):
    """Return the rules of an instance.

    Args:
        config: the application's configuration.
        subcounts: the registry of breakdowns.
    """
    of_events = frozenset(s.key for s in subcounts.values() if not s.of_record)
    return SmallNumbers(config[VARIABLE], of_events)
