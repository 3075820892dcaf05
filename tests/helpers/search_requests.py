# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Watch the requests that this process sends to OpenSearch.

The clients of a process share transports. A patch of one transport object would remain
in it as an instance attribute after the test, and hide later patches of the class.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from opensearchpy import Transport


class SearchRequest(NamedTuple):
    """A request to OpenSearch."""

    method: str
    path: str
    body: Any = None

    @property
    def writes(self) -> bool:
        """Return whether the request changes documents, indices or aliases."""
        return self.method in ("PUT", "DELETE") or self.path.endswith(
            ("_bulk", "_aliases")
        )


@contextmanager
def before_requests(do: Callable[[SearchRequest], None]) -> Iterator[None]:
    """Call a function before each request of any client of this process.

    Args:
        do: gets the request; what it raises is raised instead of sending the request.
    """
    send = Transport.perform_request

    def perform_request(transport, method, url, *args, **kwargs):
        do(SearchRequest(method, url, kwargs.get("body")))
        return send(transport, method, url, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transport, "perform_request", perform_request)
        yield


@contextmanager
def sent_requests() -> Iterator[list[SearchRequest]]:
    """Yield a list that collects the requests of this process."""
    sent: list[SearchRequest] = []
    with before_requests(sent.append):
        yield sent
