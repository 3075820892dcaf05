# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""One tidy table as CSV (RFC 4180, UTF-8), made while it is sent."""

import csv
import io

from ...queries.metrics import METRICS

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

_DANGEROUS = (*"=+-@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
_PIECE = 64 * 1024


def harmless(text):
    """Return a text that no spreadsheet takes for a formula.

    An apostrophe goes before what begins like one, as OWASP recommends.

    Args:
        text: any text.
    """
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def csv_pieces(subject, rows):
    """Yield a table in pieces.

    Args:
        subject: the :class:`~...permissions.Subject` whose numbers they are.
        rows: iterable of (:class:`~...queries.query.SeriesRow`, label).

    Yields:
        bytes: about 64 KiB each; the first one begins with the header.
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


def _taken(buffer):
    """Empty a buffer and return what was in it."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8", "replace")
