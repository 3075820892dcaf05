# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Respond with a file: stream CSV, or send a finished XLSX workbook."""

from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from flask import Response, request, stream_with_context
from werkzeug.wsgi import wrap_file

from ...permissions import Subject
from ...queries.metrics import METRICS
from ...queries.query import SeriesQuery
from .. import http
from ..labels import AnswerLabels
from .cover import cover
from .csv import csv_pieces
from .xlsx import write_xlsx

if TYPE_CHECKING:
    from ...services.series import SeriesService


def csv_response(
    subject: Subject,
    query: SeriesQuery,
    series: "SeriesService",
    labels: AnswerLabels,
    headers: dict[str, str],
) -> Response:
    """Return a response that streams a CSV table.

    Args:
        subject: the community or the instance.
        query: executed while the response is sent.
        series: executes the query.
        labels: labels the rows.
        headers: further headers; changed.
    """
    rows = labels.rows(series.reader.rows(query))
    headers |= http.attachment(subject.slug, query.first, query.last, "csv")
    pieces = stream_with_context(csv_pieces(subject, rows))
    return http.streamed(pieces, f"{http.CSV}; charset=utf-8", headers)


def xlsx_response(
    subject: Subject,
    query: SeriesQuery,
    series: "SeriesService",
    labels: AnswerLabels,
    headers: dict[str, str],
) -> Response:
    """Return a response with an XLSX workbook, written to a temporary file.

    The arguments are those of :func:`csv_response`.
    """
    keys = query.breakdowns
    names: dict[str | None, str] = {None: "Totals"}
    names |= {key: labels.of_breakdown(key) for key in keys}
    metrics = [METRICS[key] for key in query.metrics]
    fresh = series.freshness.read(query)
    lines = cover(subject, query, metrics, fresh, labels)
    with ExitStack() as stack:
        file = stack.enter_context(TemporaryFile())
        write_xlsx(file, lines, names, labels.rows(series.reader.rows(query)))
        length = file.tell()
        file.seek(0)
        headers |= http.attachment(subject.slug, query.first, query.last, "xlsx")
        response = Response(
            wrap_file(request.environ, file),
            headers={**headers, "Content-Length": str(length)},
            content_type=http.XLSX,
            direct_passthrough=True,
        )
        response.call_on_close(stack.pop_all().close)
    return response
