# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Responses that are files: CSV while it is made, XLSX when it is whole."""

from contextlib import ExitStack
from tempfile import TemporaryFile

from flask import Response, request, stream_with_context
from werkzeug.wsgi import wrap_file

from ...queries.metrics import METRICS
from .. import http
from .cover import cover
from .csv import csv_pieces
from .xlsx import write_xlsx


def csv_response(subject, query, series, labels, headers):
    """Return a table that is sent while it is made.

    Args:
        subject: the :class:`~...permissions.Subject` whose numbers they are.
        query: the :class:`~...queries.query.SeriesQuery`.
        series: the :class:`~...services.series.SeriesService`.
        labels: a :class:`~..labels.AnswerLabels`.
        headers: further headers.
    """
    rows = labels.rows(series.reader.rows(query))
    headers |= http.attachment(subject.slug, query.first, query.last, "csv")
    pieces = stream_with_context(csv_pieces(subject, rows))
    return http.streamed(pieces, f"{http.CSV}; charset=utf-8", headers)


def xlsx_response(subject, query, series, labels, headers):
    """Return a workbook; its arguments are those of :func:`csv_response`."""
    keys = query.breakdowns
    names = {None: "Totals"} | {key: labels.of_breakdown(key) for key in keys}
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
            headers={**headers, "Content-Length": length},
            content_type=http.XLSX,
            direct_passthrough=True,
        )
        response.call_on_close(stack.pop_all().close)
    return response
