# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Negotiate the format of a response, and set caching, compression and file name."""

import gzip
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from functools import wraps
from itertools import chain
from typing import Any

import xxhash
from flask import Response, request
from flask_babel import force_locale, get_locale
from flask_login import current_user
from flask_resources import resource_requestctx
from flask_resources.config import resolve_from_conf
from flask_resources.errors import MIMETypeNotAccepted
from invenio_db import db
from werkzeug.datastructures import MIMEAccept

JSON = "application/json"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMATS = {"json": JSON, "csv": CSV, "xlsx": XLSX}
"""Value of ``format`` -> media type."""

_SMALL = 1024
_LEVEL = 6
_GZIP = 16 + zlib.MAX_WBITS


_View = Callable[..., Any]
"""A method of a resource."""


def negotiated(response_handlers: Any) -> Callable[[_View], _View]:
    """Decorate a method of a resource: choose the handler of its response.

    It replaces ``with_content_negotiation`` of flask-resources, which ignores the
    parameter ``format`` and the qualities of the Accept header.

    Args:
        response_handlers: media type -> response handler, the default first; or
            ``from_conf`` of their name in the configuration.
    """

    def decorator(method: _View) -> _View:
        @wraps(method)
        def inner(self: Any) -> Any:
            handlers = resolve_from_conf(response_handlers, self.config)
            media_type = chosen(handlers)
            resource_requestctx.accept_mimetype = media_type
            resource_requestctx.response_handler = handlers[media_type]
            return method(self)

        return inner

    return decorator


def localized(method: _View) -> _View:
    """Decorate a method of a resource: respond in the language ``lang``, if given."""

    @wraps(method)
    def inner(self: Any) -> Any:
        language = resource_requestctx.args.get("lang") or str(get_locale())
        with force_locale(language):
            return method(self)

    return inner


def chosen(media_types: Collection[str]) -> str:
    """Return the media type that ``format`` selects, else the Accept header.

    Args:
        media_types: the possible ones, the default first.

    Raises:
        MIMETypeNotAccepted: the caller accepts none of them.
    """
    named = FORMATS.get(request.args.get("format", ""), "")
    if named in media_types:
        return named
    if not request.accept_mimetypes:
        return next(iter(media_types))
    # parameters of a media type, such as charset, do not matter
    accepted = MIMEAccept(
        [
            (media_type.partition(";")[0].strip().lower(), quality)
            for media_type, quality in request.accept_mimetypes
        ]
    )
    words = set(accepted.values())
    # with the same quality, a named type goes before one that a wildcard matches
    found = max(media_types, key=lambda type: (accepted.quality(type), type in words))
    if not accepted.quality(found):
        raise MIMETypeNotAccepted(allowed_mimetypes=media_types)
    return found


def etag(*parts: object) -> str:
    """Return a weak entity tag of everything that a response depends on.

    It is weak, since the same response can be sent with and without compression.
    """
    return f'W/"{xxhash.xxh3_128_hexdigest(repr(parts).encode("utf-8", "replace"))}"'


def is_fresh(headers: Mapping[str, str]) -> bool:
    """Return whether the caller already has the response with this entity tag."""
    tag, known = headers.get("ETag"), request.if_none_match
    return bool(tag and known and known.contains_weak(tag[3:-1]))


def caching(tag: str, public: bool, seconds: int, by_caller: bool) -> dict[str, str]:
    """Return the headers ``ETag``, ``Cache-Control`` and ``Vary``.

    Args:
        tag: the entity tag.
        public: everyone may read the response.
        seconds: time for which a cache may use the response without validation.
        by_caller: the response is in the language of the caller.
    """
    vary = ["Accept", "Accept-Encoding"]
    if by_caller:
        vary += ["Accept-Language", "Cookie"]
    # a response to a user who is logged in can contain their session cookie
    shared = public and not current_user.is_authenticated
    return {
        "ETag": tag,
        "Cache-Control": f"{'public' if shared else 'private'}, max-age={seconds}",
        "Vary": ", ".join(vary),
    }


def end_transaction() -> None:
    """End the database transaction of the request; the next statement begins another.

    A request only reads, but its first statement opens a transaction, which holds a
    connection of the pool, and prevents PostgreSQL from removing dead rows. Call this
    before anything that takes long: reading numbers, and sending to a slow client.
    """
    db.session.rollback()


def attachment(slug: str, first: date, last: date, extension: str) -> dict[str, str]:
    """Return the header that names a file after community and range."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", slug).strip(".-")[:100] or "community"
    name = f"statistics-{slug}-{first}-{last}.{extension}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def whole(
    body: bytes, media_type: str, headers: Mapping[str, str], status: int = 200
) -> Response:
    """Return a response, compressed if the caller accepts it and the body is not small.

    Args:
        body: uncompressed.
        media_type: the media type of the body.
        headers: further headers.
        status: HTTP status.
    """
    if len(body) >= _SMALL and _accepts_gzip():
        body = gzip.compress(body, _LEVEL, mtime=0)
        headers = {**headers, "Content-Encoding": "gzip"}
    response = Response(body, status=status, headers=headers, content_type=media_type)
    response.vary.add("Accept-Encoding")
    return response


def without_body(media_type: str, headers: Mapping[str, str], status: int) -> Response:
    """Return the response to a HEAD request.

    It has no length and no encoding, which depend on the body.

    Args:
        media_type: the media type of the body that a GET request returns.
        headers: further headers.
        status: HTTP status.
    """
    response = Response(status=status, headers=headers, content_type=media_type)
    response.automatically_set_content_length = False
    response.vary.add("Accept-Encoding")
    return response


def streamed(
    pieces: Iterator[bytes], media_type: str, headers: Mapping[str, str]
) -> Response:
    """Return a streamed response, compressed if the caller accepts it.

    Args:
        pieces: the pieces of the body. The first one is read at once, so that an error
            before it can still change the status.
        media_type: the media type of the body.
        headers: further headers.
    """
    first = next(pieces, b"")
    found = _chained(first, pieces)
    if _accepts_gzip():
        found = _compressed(found)
        headers = {**headers, "Content-Encoding": "gzip"}
    response = Response(found, headers=headers, content_type=media_type)
    response.vary.add("Accept-Encoding")
    return response


def _chained(first: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces; no transaction is open while the client receives one."""
    for piece in chain([first], pieces):
        end_transaction()
        yield piece


def _accepts_gzip() -> bool:
    return request.accept_encodings.quality("gzip") > 0


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
