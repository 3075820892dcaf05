# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Response handlers: send what a serializer returns, with headers and compression."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Response, request, stream_with_context
from flask_resources import ResponseHandler, resource_requestctx
from werkzeug.wsgi import wrap_file

from ..permissions import Subject
from ..queries.query import SeriesQuery
from . import http
from .labels import AnswerLabels

if TYPE_CHECKING:
    from ..services.most_used_records import MostUsedRecords
    from ..services.results import CommunityStatsItem

BY_CALLER = {"Cache-Control": "private, no-cache"}
"""Headers of responses whose titles depend on the caller."""


@dataclass(frozen=True)
class SeriesAnswer:
    """A query for series, which its serializer executes.

    Attributes:
        item: executes the query.
        query: the query.
        labels: labels breakdowns and values.
        links: name -> URL.
        headers: of the response.
    """

    item: "CommunityStatsItem"
    query: SeriesQuery
    labels: AnswerLabels
    links: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class RecordsAnswer:
    """The most used records.

    Attributes:
        subject: the community or the instance.
        found: the records.
        link: URL of this result.
    """

    subject: Subject
    found: "MostUsedRecords"
    link: str


def answer_headers(
    answer: SeriesAnswer, code: int, many: bool = False
) -> Mapping[str, str]:
    """Return the headers of a response with series."""
    return answer.headers


def file_headers(extension: str) -> Callable[..., Mapping[str, str]]:
    """Return a function that returns the headers of a file with series."""

    def headers(
        answer: SeriesAnswer, code: int, many: bool = False
    ) -> Mapping[str, str]:
        slug, query = answer.item.subject.slug, answer.query
        name = http.attachment(slug, query.first, query.last, extension)
        return {**answer.headers, **name}

    return headers


class CompressedHandler(ResponseHandler):
    """Sends a body, compressed if the caller accepts it and it is not small."""

    def make_response(self, obj: Any, code: int, many: bool = False) -> Response:
        """Return the response."""
        body = self.serializer.serialize_object(obj)
        headers = self.make_headers(obj, code, many=many)
        return http.whole(body, resource_requestctx.accept_mimetype, headers, code)


class TaggedHandler(ResponseHandler):
    """Sends a body, or 304 if the caller has it.

    Only the body itself shows whether it has changed.
    """

    def make_response(self, obj: Any, code: int, many: bool = False) -> Response:
        """Return the response."""
        body = self.serializer.serialize_object(obj)
        tag = http.etag(body)
        headers = {**self.make_headers(obj, code, many=many), "ETag": tag}
        if http.is_fresh(tag):
            return Response(status=304, headers=headers)
        return http.whole(body, resource_requestctx.accept_mimetype, headers, code)


class StreamedHandler(ResponseHandler):
    """Sends pieces while the serializer yields them.

    A serializer can have a ``content_type``, if that is more than the media type.
    """

    def make_response(self, obj: Any, code: int, many: bool = False) -> Response:
        """Return the response, after the first piece was read."""
        media_type = resource_requestctx.accept_mimetype
        content_type = getattr(self.serializer, "content_type", media_type)
        headers = self.make_headers(obj, code, many=many)
        pieces = stream_with_context(self.serializer.serialize_object(obj))
        return http.streamed(pieces, content_type, headers)


class FileHandler(ResponseHandler):
    """Sends a temporary file, which the serializer returns open at its end."""

    def make_response(self, obj: Any, code: int, many: bool = False) -> Response:
        """Return the response, which closes the file."""
        headers = self.make_headers(obj, code, many=many)
        file = self.serializer.serialize_object(obj)
        length = file.tell()
        file.seek(0)
        response = Response(
            wrap_file(request.environ, file),
            status=code,
            headers={**headers, "Content-Length": str(length)},
            content_type=resource_requestctx.accept_mimetype,
            direct_passthrough=True,
        )
        response.call_on_close(file.close)
        return response
