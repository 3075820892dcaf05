# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What HTTP adds to an answer: its form, its caching, its compression, its name."""

import gzip
import re
import zlib

import xxhash
from flask import Response, request
from flask_login import current_user
from flask_resources.errors import MIMETypeNotAccepted
from werkzeug.datastructures import MIMEAccept

JSON = "application/json"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMATS = {"json": JSON, "csv": CSV, "xlsx": XLSX}
"""Value of ``format`` -> media type."""

_SMALL = 1024
_LEVEL = 6
_GZIP = 16 + zlib.MAX_WBITS


def negotiated(formats):
    """Return the media type of the answer: of ``format``, else of the Accept header.

    Args:
        formats: name -> media type, the default first.

    Raises:
        MIMETypeNotAccepted: nothing that is accepted can be made.
    """
    named = formats.get(request.args.get("format"))
    if named or not request.accept_mimetypes:
        return named or next(iter(formats.values()))
    # what a type is encoded in, and the like, does not choose between ours
    accepted = MIMEAccept(
        [
            (media_type.partition(";")[0].strip().lower(), quality)
            for media_type, quality in request.accept_mimetypes
        ]
    )
    words = set(accepted.values())
    # of two that are as welcome, one that is named goes before one that a wildcard allows
    found = max(
        formats.values(), key=lambda type: (accepted.quality(type), type in words)
    )
    if not accepted.quality(found):
        raise MIMETypeNotAccepted(allowed_mimetypes=formats.values())
    return found


def etag(*parts):
    """Return a weak entity tag of what an answer depends on.

    Weak, since the same answer can be sent compressed and not.
    """
    return f'W/"{xxhash.xxh3_128_hexdigest(repr(parts).encode("utf-8", "replace"))}"'


def is_fresh(tag):
    """Tell whether the caller has the answer with this tag already."""
    return bool(request.if_none_match) and request.if_none_match.contains_weak(
        tag[3:-1]
    )


def caching(tag, public, seconds, by_caller):
    """Return the headers that say who may keep an answer.

    Args:
        tag: the entity tag.
        public: whether everyone may read it.
        seconds: how long it may be used without asking again.
        by_caller: its language is that of the caller.

    Returns:
        dict: header -> value.
    """
    vary = ["Accept", "Accept-Encoding"]
    if by_caller:
        vary += ["Accept-Language", "Cookie"]
    # the answer to somebody who is logged in may come with the cookie of their session
    shared = public and not current_user.is_authenticated
    return {
        "ETag": tag,
        "Cache-Control": f"{'public' if shared else 'private'}, max-age={seconds}",
        "Vary": ", ".join(vary),
    }


def attachment(slug, first, last, extension):
    """Return the header that names a file after community and range."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", slug).strip(".-")[:100] or "community"
    name = f"statistics-{slug}-{first}-{last}.{extension}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def whole(body, media_type, headers, status=200):
    """Return a response with a body that is there, compressed if that is accepted.

    Args:
        body: bytes.
        media_type: its media type.
        headers: further headers.
        status: HTTP status.
    """
    if len(body) >= _SMALL and _accepts_gzip():
        body = gzip.compress(body, _LEVEL, mtime=0)
        headers = {**headers, "Content-Encoding": "gzip"}
    response = Response(body, status=status, headers=headers, content_type=media_type)
    response.vary.add("Accept-Encoding")
    return response


def streamed(pieces, media_type, headers):
    """Return a response that is made while it is sent.

    Args:
        pieces: iterator of bytes. The first piece is made at once, so that what fails
            then can still be said in the status.
        media_type: media type of the pieces.
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


def _chained(first, pieces):
    yield first
    yield from pieces


def _accepts_gzip():
    return request.accept_encodings.quality("gzip") > 0


def _compressed(pieces):
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
