# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Response handlers: send what a serializer returns, with headers and compression."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from flask import Response, request, stream_with_context
from flask_resources import ResponseHandler, resource_requestctx
from werkzeug.wsgi import wrap_file

from ..permissions import Subject
from ..queries.query import SeriesQuery, SeriesRow
from . import http
from .client_disconnects import ClientConnection
from .file_limits import FileLimit
from .labels import AnswerLabels
from .temporary_files import TemporaryFiles

if TYPE_CHECKING:
    from ..reports.counter.assembly import CounterReport
    from ..services.most_used_records import MostUsedRecords
    from ..services.results import CommunityStatsItem

BY_CALLER = {"Cache-Control": "private, no-cache"}
"""Headers of responses whose titles depend on the caller."""

REQUESTED_FROM = "Stats-Requested-From"
"""Header of a file that begins later than requested: the requested first day."""


@dataclass(frozen=True)
class SeriesContent:
    """The content of a response with series; its serializer executes the query.

    Each format needs other parts of the result, and CSV is sent while it is read.

    Attributes:
        item: executes the query.
        query: the query.
        requested_first: the first day of the range in the request; that of a file is
            later if no numbers exist for it.
        labels: labels breakdowns and values.
        links: name -> URL.
        headers: the headers of the response.
        limit: the maximum number of values in a file.
        client: its connection; reading a file stops when it leaves.
        temporary_files: the temporary files of this process.
    """

    item: "CommunityStatsItem"
    query: SeriesQuery
    requested_first: date
    labels: AnswerLabels
    links: Mapping[str, str]
    headers: Mapping[str, str]
    limit: FileLimit
    client: ClientConnection
    temporary_files: TemporaryFiles

    def rows(self) -> Iterator[tuple[SeriesRow, str]]:
        """Yield the rows of a file, with their labels.

        Raises:
            ClientLeftError: the client has closed the connection.
            ValidationError: the file has too many values.
        """
        rows = self.item.series_rows(self.query, self.client.check)
        return self.labels.rows(self.limit.counted(rows))


@dataclass(frozen=True)
class RecordsContent:
    """The content of a response with the most used records, which its serializer counts.

    Attributes:
        subject: the community or the instance.
        count: returns the records.
        link: URL of this response.
    """

    subject: Subject
    count: "Callable[[], MostUsedRecords]"
    link: str


@dataclass(frozen=True)
class CounterContent:
    """The content of a response with a COUNTER report, which its serializer counts.

    Attributes:
        count: returns the report.
        headers: the headers of the response.
    """

    count: "Callable[[], CounterReport]"
    headers: Mapping[str, str]


def counter_headers(
    content: CounterContent, code: int, many: bool = False
) -> Mapping[str, str]:
    """Return the headers of a response with a COUNTER report."""
    return content.headers


def series_headers(
    content: SeriesContent, code: int, many: bool = False
) -> Mapping[str, str]:
    """Return the headers of a response with series."""
    if content.query.first == content.requested_first:
        return content.headers
    return {**content.headers, REQUESTED_FROM: content.requested_first.isoformat()}


def file_headers(extension: str) -> Callable[..., Mapping[str, str]]:
    """Return a function that returns the headers of a file with series."""

    def headers(
        content: SeriesContent, code: int, many: bool = False
    ) -> Mapping[str, str]:
        slug, query = content.item.subject.slug, content.query
        name = http.attachment(slug, query.first, query.last, extension)
        return {**series_headers(content, code, many), **name}

    return headers


class ConditionalHandler(ResponseHandler):
    """Sends 304 if the headers have an entity tag that the caller knows.

    Nothing is serialised then, nor for a HEAD request: its response has the headers that
    are known before the body.
    """

    def make_response(self, obj: Any, code: int, many: bool = False) -> Response:
        """Return the response."""
        headers = self.make_headers(obj, code, many=many)
        if http.is_fresh(headers):
            return Response(status=304, headers=headers)
        if request.method == "HEAD":
            return http.without_body(self.content_type, headers, code)
        http.end_transaction()
        return self.send(obj, code, headers)

    @property
    def content_type(self) -> str:
        """Return the content type: that of the serializer, else the media type."""
        media_type = resource_requestctx.accept_mimetype
        return getattr(self.serializer, "content_type", media_type)

    def send(self, obj: Any, code: int, headers: Mapping[str, str]) -> Response:
        """Return the response with its body."""
        raise NotImplementedError


class CompressedHandler(ConditionalHandler):
    """Sends a body, compressed if the caller accepts it and it is not small."""

    def send(self, obj: Any, code: int, headers: Mapping[str, str]) -> Response:
        """Return the response with its body."""
        body = self.serializer.serialize_object(obj)
        return http.whole(body, self.content_type, headers, code)


class TaggedHandler(CompressedHandler):
    """Sends a body with an entity tag, or 304 if the caller knows the tag.

    The tag is computed from the body: only that shows whether it has changed.
    """

    def send(self, obj: Any, code: int, headers: Mapping[str, str]) -> Response:
        """Return the response with its body, or 304."""
        body = self.serializer.serialize_object(obj)
        headers = {**headers, "ETag": http.etag(body)}
        if http.is_fresh(headers):
            return Response(status=304, headers=headers)
        return http.whole(body, self.content_type, headers, code)


class StreamedHandler(ConditionalHandler):
    """Sends pieces while the serializer yields them.

    A serializer can have a ``content_type``, if that is more than the media type.
    """

    def send(self, obj: Any, code: int, headers: Mapping[str, str]) -> Response:
        """Return the response, after the first piece was read."""
        pieces = stream_with_context(self.serializer.serialize_object(obj))
        return http.streamed(pieces, self.content_type, headers)


class FileHandler(ConditionalHandler):
    """Sends a temporary file, which the serializer returns open at its end."""

    def send(self, obj: Any, code: int, headers: Mapping[str, str]) -> Response:
        """Return the response, which closes the file."""
        file = self.serializer.serialize_object(obj)
        length = file.tell()
        file.seek(0)
        response = Response(
            wrap_file(request.environ, file),
            status=code,
            headers={**headers, "Content-Length": str(length)},
            content_type=self.content_type,
            direct_passthrough=True,
        )
        response.call_on_close(file.close)
        return response
