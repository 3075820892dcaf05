# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Stream a result as one tidy CSV table (RFC 4180, UTF-8)."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flask_resources.serializers import BaseSerializer

from ...permissions import Subject
from ...queries.metrics import METRICS
from ...queries.query import SeriesRow
from .. import http

if TYPE_CHECKING:
    from ..response_handlers import SeriesContent

COLUMNS = (
    "community",
    "period",
    "metric",
    "unit",
    "breakdown",
    "id",
    "label",
    "start",
    "end",
    "value",
)

_TABLE = "assets/semantic-ui/js/invenio_stats_dashboard/format/formulaStarts.json"
"""Path in the package; the pages use the same table for the files that they make."""

_FORMULA_STARTS = tuple(
    json.loads((Path(__file__).parents[2] / _TABLE).read_text("utf-8"))
)
_PIECE = 64 * 1024


class SeriesCSVSerializer(BaseSerializer):
    """Executes a query for series while the table of its result is sent."""

    content_type = f"{http.CSV}; charset=utf-8"

    def serialize_object(self, obj: "SeriesContent") -> Iterator[bytes]:
        """Yield the table in pieces; see :func:`csv_pieces`."""
        return csv_pieces(obj.item.subject, obj.rows())


def harmless(text: str) -> str:
    """Return a text that no spreadsheet evaluates as a formula.

    A text that starts like a formula gets a leading apostrophe, as OWASP recommends
    (CSV injection).
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def csv_pieces(
    subject: Subject, rows: Iterable[tuple[SeriesRow, str]]
) -> Iterator[bytes]:
    """Yield a table in pieces of about 64 KiB; the first one starts with the header.

    Args:
        subject: the community or the instance.
        rows: the rows, with their labels.
    """
    buffer = io.StringIO(newline="")
    write = csv.writer(buffer).writerow
    write(COLUMNS)
    community = harmless(subject.slug)
    for row, label in rows:
        write(
            (
                community,
                row.period,
                row.metric,
                METRICS[row.metric].unit,
                row.breakdown or "",
                harmless(row.id or ""),
                harmless(label),
                row.bucket.start.isoformat(),
                row.bucket.end.isoformat(),
                "" if row.value is None else row.value,
            )
        )
        if buffer.tell() >= _PIECE:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    """Empty a buffer and return its content."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8", "replace")
