# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Files contain the numbers of the JSON response, and no formulas."""

import csv
import gzip
import io
from datetime import date, timedelta
from zipfile import ZipFile

import pytest
from python_calamine import CalamineWorkbook

from invenio_stats_dashboard.permissions import Subject
from invenio_stats_dashboard.queries.query import Interval, SeriesRow
from invenio_stats_dashboard.resources.http import CSV, XLSX
from invenio_stats_dashboard.resources.serializers.csv import (
    COLUMNS,
    csv_pieces,
    harmless,
)
from invenio_stats_dashboard.resources.serializers.xlsx import write_xlsx

from ..helpers.counted_site import HOSTILE, TODAY

QUESTIONS = [
    {"range": "90d", "interval": "month", "breakdown": "subjects", "top": "1000"},
    {"range": "30d", "breakdown": "countries,resource_types", "other": "true"},
    {"range": "12mo", "metrics": "all", "breakdown": "languages", "top": "3"},
    {"range": "90d", "metrics": "records,records_added", "basis": "created"},
    {"range": "12mo", "cumulative": "true", "breakdown": "subjects,countries"},
    {"range": "30d", "compare": "previous", "breakdown": "subjects", "top": "2"},
    {"range": "30d", "compare": "year", "filter": "countries:CA"},
]


@pytest.fixture()
def path(site):
    """Return the path of the open community."""
    return f"/stats-dashboard/communities/{site.slugs['open']}"


def of_json(answer):
    """Return (period, metric, breakdown, id, label, start, end) -> value."""
    found = {}
    for name, period in (("current", answer), ("compared", answer["comparison"])):
        for series in (period or {"series": []})["series"]:
            for bucket, value in zip(period["buckets"], series["values"], strict=True):
                key = (name, series["metric"], series["breakdown"], series["id"])
                key += (series["label"], bucket["start"], bucket["end"])
                found[key] = value
    return found


def of_csv(data):
    """Return the same of a CSV file."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    found = {}
    for row in rows[1:]:
        line = dict(zip(COLUMNS, row, strict=True))
        label, id_ = (plain(line[key]) for key in ("label", "id"))
        key = (line["period"], line["metric"], line["breakdown"] or None)
        key += (id_ if line["breakdown"] else None, label, line["start"], line["end"])
        assert key not in found
        found[key] = int(line["value"]) if line["value"] else None
    return found


def plain(text):
    """Return a text without the apostrophe that makes it harmless."""
    return text[1:] if text[:1] == "'" and text[1:2] in "=+-@\t\r" else text


def of_xlsx(data, keys):
    """Return the same of a workbook whose sheets have the breakdowns in this order."""
    book, found = CalamineWorkbook.from_filelike(io.BytesIO(data)), {}
    assert book.sheet_names[:2] == ["About", "Totals"]
    for breakdown, sheet in zip([None, *keys], book.sheet_names[1:], strict=True):
        head, *rows = book.get_sheet_by_name(sheet).to_python()
        for row in rows:
            line = dict(zip(head, row, strict=True))
            key = (line["period"], line["metric"], breakdown)
            key += (line["id"] if breakdown else None, line["label"])
            key += (line["start"].isoformat(), line["end"].isoformat())
            assert key not in found
            found[key] = None if line["value"] == "" else line["value"]
    return found


def lines_of_file(found):
    """Return the values that a file lists: it omits values of a breakdown that are 0."""
    return {k: v for k, v in found.items() if k[2] is None or v}


@pytest.mark.parametrize("query", QUESTIONS, ids=str)
def test_json_csv_and_xlsx_hold_the_same_numbers(query, path, anyone):
    answer = anyone.get(path, query_string=query)
    assert answer.status_code == 200, answer.data
    wanted = lines_of_file(of_json(answer.json))
    assert any(wanted.values())
    table = anyone.get(path, query_string=query | {"format": "csv"})
    assert lines_of_file(of_csv(table.data)) == wanted
    book = anyone.get(path, query_string=query | {"format": "xlsx"})
    keys = list(answer.json["breakdowns"])
    assert lines_of_file(of_xlsx(book.data, keys)) == wanted


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        (XLSX, XLSX),
        ("text/html, text/csv;q=0.5, */*;q=0.1", "text/csv; charset=utf-8"),
        ("text/csv, */*", "text/csv; charset=utf-8"),
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/*", "text/csv; charset=utf-8"),
        ("application/*", "application/json"),
        ("text/csv;q=0, */*", "application/json"),
        ("application/json;q=0.2, text/csv;q=0.8", "text/csv; charset=utf-8"),
    ],
)
def test_the_form_is_what_the_caller_accepts(accept, content_type, path, anyone):
    headers = {"Accept": accept} if accept else {}
    answer = anyone.get(path, headers=headers)
    assert (answer.status_code, answer.content_type) == (200, content_type)


def test_format_wins_over_accept_and_what_cannot_be_made_is_refused(path, anyone):
    answer = anyone.get(f"{path}?format=json", headers={"Accept": CSV})
    assert answer.content_type == "application/json"
    for accept in ("image/png", "image/*", "application/json;q=0", "*/*;q=0"):
        answer = anyone.get(path, headers={"Accept": accept})
        assert answer.status_code == 406 and "text/csv" in answer.json["message"]


def test_the_name_of_a_file_says_community_and_range(site, path, anyone):
    first = (TODAY - timedelta(days=6)).isoformat()
    for form in ("csv", "xlsx"):
        answer = anyone.get(f"{path}?range=7d&format={form}")
        assert answer.headers["Content-Disposition"] == (
            f'attachment; filename="statistics-{site.slugs["open"]}-{first}-{TODAY}'
            f'.{form}"'
        )
    answer = anyone.get("/stats-dashboard/global?format=csv")
    assert "statistics-global-" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_answer_is_compressed_for_who_accepts_it(form, path, anyone):
    url = f"{path}?range=90d&breakdown=subjects&format={form}"
    bare = anyone.get(url)
    assert "Content-Encoding" not in bare.headers
    packed = anyone.get(url, headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == bare.data
    assert len(packed.data) < len(bare.data) / 3
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert packed.headers["ETag"] == bare.headers["ETag"]
    refused = anyone.get(url, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


def test_no_text_is_a_formula(path, anyone):
    url = f"{path}?range=5y&breakdown=subjects&top=all"
    rows = list(
        csv.reader(
            io.StringIO(anyone.get(f"{url}&format=csv").data.decode(), newline="")
        )
    )
    assert {plain(row[5]) for row in rows} >= set(HOSTILE)
    for row in rows:
        assert all(
            not cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row
        )
    data = anyone.get(f"{url}&format=xlsx").data
    with ZipFile(io.BytesIO(data)) as parts:
        sheets = [parts.read(n) for n in parts.namelist() if "/sheet" in n]
    assert len(sheets) == 3
    for sheet in sheets:
        assert b"<f" not in sheet and b"hyperlink" not in sheet
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    labels = {row[3] for row in book.get_sheet_by_name("Subjects").to_python()}
    assert {"=1+1", "@SUM(A1)", "-1"} <= labels


def test_a_negative_number_is_a_number():
    row = SeriesRow("current", "views", None, None, Interval(TODAY, TODAY), -5)
    subject = Subject("global", "global", None, True)
    (piece,) = csv_pieces(subject, [(row, "Views")])
    assert piece.decode().splitlines()[1].endswith(",-5")
    assert harmless("-5") == "'-5" and harmless("5-") == "5-"


@pytest.mark.parametrize(
    "begin", ["=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20"]
)
def test_whatever_a_spreadsheet_may_take_for_a_formula_is_text(begin):
    assert harmless(f"{begin}1+1") == f"'{begin}1+1"


def test_a_cover_says_what_the_numbers_are(site, path, anyone):
    book = CalamineWorkbook.from_filelike(
        io.BytesIO(anyone.get(f"{path}?range=30d&format=xlsx").data)
    )
    text = "\n".join(
        " ".join(map(str, row)) for row in book.get_sheet_by_name("About").to_python()
    )
    for part in (
        site.slugs["open"],
        (TODAY - timedelta(days=29)).isoformat(),
        "Views of record pages by humans and machines. Known robots are not counted.",
        "Robots  Known robots are not counted.",
        "Data as of",
        "First day with data",
        "Corrections in this range",
    ):
        assert part in text


def test_a_full_sheet_goes_on_in_another_one():
    file = io.BytesIO()
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(25)]
    rows = [
        (SeriesRow("current", "views", "subjects", "=a", Interval(day, day), n), "=a")
        for n, day in enumerate(days)
    ]
    write_xlsx(
        file, [("x",)], {None: "Totals", "subjects": "A/B:" * 12}, rows, limit=11
    )
    book = CalamineWorkbook.from_filelike(io.BytesIO(file.getvalue()))
    name = "A B A B A B A B A B A B A B A B"[:31].rstrip()
    assert book.sheet_names[0] == "About" and len(book.sheet_names) == 5
    assert all(len(sheet) <= 31 for sheet in book.sheet_names)
    assert book.sheet_names[3].endswith(" (2)"), name
    values = [
        row[-1]
        for sheet in book.sheet_names[2:]
        for row in book.get_sheet_by_name(sheet).to_python()[1:]
    ]
    assert values == list(range(25))


def test_a_table_is_sent_while_it_is_made():
    taken = []

    def rows():
        for n in range(100_000):
            taken.append(n)
            day = Interval(TODAY, TODAY)
            yield SeriesRow("current", "views", "subjects", f"s{n}", day, n), f"s{n}"

    pieces = csv_pieces(Subject("global", "global", None, True), rows())
    next(pieces)
    assert len(taken) < 2_000
    assert sum(piece.count(b"\n") for piece in pieces) + 1 > 98_000
