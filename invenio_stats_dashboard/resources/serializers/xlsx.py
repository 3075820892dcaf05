# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A workbook: a sheet that says what it is, one of totals, one of each breakdown."""

from ...queries.metrics import METRICS

COVER = "About"
"""Name of the first sheet."""

ROWS = 1_048_576
"""Rows of a sheet, its header among them."""

_LONGEST_NAME, _LONGEST_TEXT = 31, 32_767
COLUMNS = ("period", "metric", "unit", "id", "label", "start", "end", "value")

_WIDTHS = (12, 24, 8, 26, 30, 12, 12, 14)
_OPTIONS = {
    # a row is written to disk when the next one begins
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def write_xlsx(file, cover, names, rows, limit=ROWS):
    """Write a workbook.

    Args:
        file: open for writing bytes.
        cover: lines of the first sheet, each a tuple of texts.
        names: breakdown -> name of its sheet; None -> that of the totals.
        rows: iterable of (:class:`~...queries.query.SeriesRow`, label).
        limit: rows of a sheet.
    """
    from xlsxwriter import Workbook  # a web process may never write one

    with Workbook(file, _OPTIONS) as book:
        formats = {
            "bold": book.add_format({"bold": True}),
            "day": book.add_format({"num_format": "yyyy-mm-dd"}),
            "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
        }
        sheets = _Names()
        _write_cover(book.add_worksheet(sheets.free(COVER)), cover, formats)
        tables = {
            key: _Table(book, sheets, name, formats, limit)
            for key, name in names.items()
        }
        for row, label in rows:
            tables[row.breakdown].add(row, label)


def _write_cover(sheet, lines, formats):
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 32)
    sheet.set_column(2, 2, 100)
    for number, line in enumerate(lines):
        for column, text in enumerate(line):
            style = formats["wrap"] if column or len(line) > 1 else formats["bold"]
            sheet.write_string(number, column, _text(text), style)


class _Table:
    """The sheets of one table; one follows another when it is full."""

    def __init__(self, book, sheets, name, formats, limit):
        self._book, self._sheets, self._name = book, sheets, name
        self._formats, self._limit = formats, limit
        self._begin()

    def _begin(self):
        self._sheet = self._book.add_worksheet(self._sheets.free(self._name))
        for number, (title, width) in enumerate(zip(COLUMNS, _WIDTHS, strict=True)):
            self._sheet.set_column(number, number, width)
            self._sheet.write_string(0, number, title, self._formats["bold"])
        self._sheet.freeze_panes(1, 0)
        self._next = 1

    def add(self, row, label):
        """Write a row."""
        if self._next >= self._limit:
            self._begin()
        sheet, line = self._sheet, self._next
        texts = (row.period, row.metric, METRICS[row.metric].unit, row.id or "", label)
        for column, text in enumerate(texts):
            # as text, whatever it looks like
            sheet.write_string(line, column, _text(text))
        sheet.write_datetime(line, 5, row.bucket.start, self._formats["day"])
        sheet.write_datetime(line, 6, row.bucket.end, self._formats["day"])
        if row.value is not None:
            sheet.write_number(line, 7, row.value)
        self._next += 1


def _text(text):
    """Return what a cell can hold of a text."""
    return text[:_LONGEST_TEXT].encode("utf-8", "replace").decode()


class _Names:
    """Names of sheets: short, different, and without what Excel refuses."""

    def __init__(self):
        self._taken = set()

    def free(self, name):
        """Return a name like the given one that no sheet has."""
        name = "".join(" " if c in "[]:*?/\\" or c < " " else c for c in name)
        name = name.strip().strip("'")[:_LONGEST_NAME] or "-"
        found, number = name, 1
        while found.lower() in self._taken or found.lower() == "history":
            number += 1
            more = f" ({number})"
            found = name[: _LONGEST_NAME - len(more)] + more
        self._taken.add(found.lower())
        return found
