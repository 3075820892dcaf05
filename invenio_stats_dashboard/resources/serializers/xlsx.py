# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write a workbook: a cover sheet, a sheet of totals, a sheet for each breakdown."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from flask_resources.serializers import BaseSerializer

from ...queries.metrics import METRICS
from ...queries.query import SeriesRow
from .cover import cover as cover_lines

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from ..response_handlers import SeriesContent

COVER = "About"
"""Name of the first sheet."""

ROWS = 1_048_576
"""Maximum number of rows of a sheet in Excel, header included."""

_LONGEST_NAME, _LONGEST_TEXT = 31, 32_767
COLUMNS = ("period", "metric", "unit", "id", "label", "start", "end", "value")

_WIDTHS = (12, 24, 8, 26, 30, 12, 12, 14)
_OPTIONS = {
    # each row is written to disk when the next one begins
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


class SeriesXLSXSerializer(BaseSerializer):
    """Executes a query for series, and writes its result to a workbook."""

    def serialize_object(self, obj: "SeriesContent") -> IO[bytes]:
        """Return a temporary file with the workbook, open at its end."""
        query, labels = obj.query, obj.labels
        names: dict[str | None, str] = {None: "Totals"}
        names |= {key: labels.of_breakdown(key) for key in query.breakdowns}
        metrics = [METRICS[key] for key in query.metrics]
        fresh = obj.item.freshness(query)
        lines = cover_lines(
            obj.item.subject, query, obj.requested_first, metrics, fresh, labels
        )
        with obj.temporary_files.work_folder() as folder, ExitStack() as stack:
            # it has no name, so it needs no removal, even while it is sent
            file = stack.enter_context(TemporaryFile(dir=folder))
            write_xlsx(file, lines, names, obj.rows(), folder=folder)
            stack.pop_all()  # the caller closes the file
            return file


def write_xlsx(
    file: IO[bytes],
    cover: Iterable[Sequence[str]],
    names: Mapping[str | None, str],
    rows: Iterable[tuple[SeriesRow, str]],
    limit: int = ROWS,
    folder: Path | None = None,
) -> None:
    """Write a workbook.

    If it fails, it stops at once: only a complete workbook is put together.

    Args:
        file: open for writing.
        cover: lines of the first sheet, each the texts of its columns.
        names: breakdown -> name of its sheet; None -> name of the sheet of totals.
        rows: the rows, with their labels.
        limit: maximum number of rows of a sheet; further rows go to another sheet.
        folder: the folder for temporary files; None for that of the system.
    """
    from xlsxwriter import Workbook  # many processes never write a workbook

    # its context manager would put together what an error has left incomplete
    book = Workbook(file, {**_OPTIONS, "tmpdir": folder and str(folder)})
    formats = {
        "bold": book.add_format({"bold": True}),
        "day": book.add_format({"num_format": "yyyy-mm-dd"}),
        "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
    }
    sheets = _Names()
    _write_cover(book.add_worksheet(sheets.free(COVER)), cover, formats)
    tables = {
        key: _Table(book, sheets, name, formats, limit) for key, name in names.items()
    }
    for row, label in rows:
        tables[row.breakdown].add(row, label)
    book.close()


def _write_cover(
    sheet: "Worksheet",
    lines: Iterable[Sequence[str]],
    formats: Mapping[str, "Format"],
) -> None:
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 32)
    sheet.set_column(2, 2, 100)
    for number, line in enumerate(lines):
        for column, text in enumerate(line):
            style = formats["wrap"] if column or len(line) > 1 else formats["bold"]
            sheet.write_string(number, column, _text(text), style)


class _Table:
    """Writes one table; when a sheet is full, it adds another."""

    def __init__(
        self,
        book: "Workbook",
        sheets: "_Names",
        name: str,
        formats: Mapping[str, "Format"],
        limit: int,
    ) -> None:
        self._book, self._sheets, self._name = book, sheets, name
        self._formats, self._limit = formats, limit
        self._begin()

    def _begin(self) -> None:
        self._sheet = self._book.add_worksheet(self._sheets.free(self._name))
        for number, (title, width) in enumerate(zip(COLUMNS, _WIDTHS, strict=True)):
            self._sheet.set_column(number, number, width)
            self._sheet.write_string(0, number, title, self._formats["bold"])
        self._sheet.freeze_panes(1, 0)
        self._next = 1

    def add(self, row: SeriesRow, label: str) -> None:
        """Write a row."""
        if self._next >= self._limit:
            self._begin()
        sheet, line = self._sheet, self._next
        texts = (row.period, row.metric, METRICS[row.metric].unit, row.id or "", label)
        for column, text in enumerate(texts):
            # as text, even if it looks like a number or a formula
            sheet.write_string(line, column, _text(text))
        sheet.write_datetime(line, 5, row.bucket.start, self._formats["day"])
        sheet.write_datetime(line, 6, row.bucket.end, self._formats["day"])
        if row.value is not None:
            sheet.write_number(line, 7, row.value)
        self._next += 1


def _text(text: str) -> str:
    """Return a text cut to Excel's maximum length, without lone surrogates."""
    return text[:_LONGEST_TEXT].encode("utf-8", "replace").decode()


class _Names:
    """Finds names of sheets that are unique and that Excel accepts."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, name: str) -> str:
        """Return a name similar to the given one that no sheet has yet."""
        name = "".join(" " if c in "[]:*?/\\" or c < " " else c for c in name)
        name = name.strip().strip("'")[:_LONGEST_NAME] or "-"
        found, number = name, 1
        while found.lower() in self._taken or found.lower() == "history":
            number += 1
            more = f" ({number})"
            found = name[: _LONGEST_NAME - len(more)] + more
        self._taken.add(found.lower())
        return found
