# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Send requests to a server, one at a time or many at once, and time the responses."""

import http.client
import itertools
import json
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

NO_ANSWER = 0
"""The status of a request that got no response."""

_TIMEOUT = 900
_PIECE = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Request:
    """A request of an anonymous caller.

    Attributes:
        path: path and parameters.
        body: what a POST request sends as JSON; None for a GET request.
        accept: the header ``Accept``.
    """

    path: str
    body: Any = None
    accept: str = "*/*"


@dataclass
class Response:
    """A response.

    Attributes:
        status: the HTTP status, or :data:`NO_ANSWER`.
        seconds: from the request to the last byte.
        size: bytes of the received body, which can be compressed.
        complete: whether the body has not ended early.
        text: the uncompressed body, if it was requested.
    """

    status: int
    seconds: float
    size: int = 0
    complete: bool = True
    text: bytes = b""


class Client:
    """Sends requests to a server, each on a connection of its own.

    Args:
        address: host and port.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        """Store the address."""
        self.address = address
        self._token = ""
        self._current: socket.socket | None = None

    def send(self, request: Request, method: str = "", whole: bool = False) -> Response:
        """Send a request, and read the response to its end.

        Args:
            request: the request.
            method: the HTTP method, if not that of the request.
            whole: uncompress the body, and check that it is complete.
        """
        start = time.perf_counter()
        try:
            with self._connected() as connection:
                self._begin(connection, request, method)
                response = connection.getresponse()
                pieces, size = [], 0
                while piece := response.read(_PIECE):
                    size += len(piece)
                    if whole:
                        pieces.append(piece)
        except (OSError, http.client.HTTPException):
            return Response(NO_ANSWER, time.perf_counter() - start, complete=False)
        found = Response(response.status, time.perf_counter() - start, size)
        if whole:
            _unpack(found, pieces, response.getheader("Content-Encoding") == "gzip")
        return found

    def leave(self, request: Request, seconds: float) -> None:
        """Send a request, read for some seconds, and close the connection."""
        end = time.monotonic() + seconds
        with self._connected() as connection:
            self._begin(connection, request)
            assert connection.sock is not None
            with suppress(TimeoutError):
                while (left := end - time.monotonic()) > 0:
                    connection.sock.settimeout(left)
                    if not connection.sock.recv(_PIECE):
                        return

    def abort(self) -> None:
        """Close the connection of the request that another thread has sent."""
        if current := self._current:
            with suppress(OSError):  # it is closed already
                current.shutdown(socket.SHUT_RDWR)

    def _begin(
        self, connection: http.client.HTTPConnection, request: Request, method: str = ""
    ) -> None:
        headers = {"Accept": request.accept, "Accept-Encoding": "gzip"}
        body = None
        if request.body is not None:
            body = json.dumps(request.body).encode()
            token = self._csrf_token()
            headers |= {"Content-Type": "application/json", "X-CSRFToken": token}
            headers["Cookie"] = f"csrftoken={token}"
        method = method or ("GET" if body is None else "POST")
        connection.request(method, request.path, body, headers)

    def _csrf_token(self) -> str:
        """Return the token that a refused request returns as a cookie."""
        if not self._token:
            with self._connected() as connection:
                connection.request("POST", "/api/stats", b"{}")
                cookies = connection.getresponse().headers.get_all("Set-Cookie") or []
            found = [c for c in cookies if c.startswith("csrftoken=")]
            self._token = found[0].partition("=")[2].partition(";")[0]
        return self._token

    @contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection(*self.address, timeout=_TIMEOUT)
        try:
            connection.connect()
            # the connection forgets its socket when a response without a length begins
            self._current = connection.sock
            yield connection
        finally:
            connection.close()


def _unpack(response: Response, pieces: Sequence[bytes], packed: bool) -> None:
    """Store the uncompressed body in a response, and whether it is complete."""
    if not packed:
        response.text = b"".join(pieces)
        return
    unpacker = zlib.decompressobj(_GZIP)
    response.text = b"".join(map(unpacker.decompress, pieces))
    response.complete = unpacker.eof


@dataclass
class Timings:
    """The responses to many requests of one kind.

    Attributes:
        seconds: of each response.
        statuses: HTTP status -> number of responses.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, response: Response) -> None:
        """Add a response."""
        self.seconds.append(response.seconds)
        self.statuses[response.status] += 1

    def __add__(self, other: "Timings") -> "Timings":
        """Return the responses of both."""
        return Timings(self.seconds + other.seconds, self.statuses + other.statuses)

    def percentile(self, percent: int) -> float:
        """Return a percentile of the seconds; of no responses, it is not a number."""
        if not self.seconds:
            return float("nan")
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


class Load:
    """Clients that send requests at the same time, each its next one after a response.

    Args:
        address: host and port of the server.
        requests: the requests of each client, with the name of their kind; a client
            ends with its requests.
    """

    def __init__(
        self,
        address: tuple[str, int],
        requests: Sequence[Iterator[tuple[str, Request]]],
    ) -> None:
        """Store the arguments; :meth:`running` starts the clients."""
        self.kinds: dict[str, Timings] = {}
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._clients = [Client(address) for _ in requests]
        self._threads = [
            threading.Thread(target=self._send, args=arguments)
            for arguments in zip(self._clients, requests, strict=True)
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests inside the context; the clients leave at its end."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for client, thread in zip(self._clients, self._threads, strict=True):
                while thread.is_alive():
                    client.abort()
                    thread.join(timeout=0.1)

    def _send(self, client: Client, requests: Iterator[tuple[str, Request]]) -> None:
        for kind, request in requests:
            if self._stop.is_set():
                return
            response = client.send(request)
            if self._stop.is_set():
                return  # the client may have left before the end
            with self._lock:
                self.kinds.setdefault(kind, Timings()).add(response)


class Sampler:
    """Calls a function again and again in a thread, and stores the largest result.

    Args:
        function: returns a number.
        pause: seconds between two calls.
    """

    def __init__(self, function: Callable[[], float], pause: float = 0.05) -> None:
        """Store the arguments."""
        self.most = 0.0
        self._function, self._pause = function, pause
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Sampler"]:
        """Call the function inside the context."""
        thread = threading.Thread(target=self._sample)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(self._pause):
            with suppress(OSError):
                self.most = max(self.most, self._function())


def timed(client: Client, requests: Iterator[Request], seconds: float) -> Timings:
    """Send one request after the other for some seconds, and return the timings."""
    timings, end = Timings(), time.monotonic() + seconds
    while time.monotonic() < end:
        timings.add(client.send(next(requests)))
    return timings


def endless(
    kind: str, request: Callable[[int], Request], first: int = 0, step: int = 1
):
    """Yield requests of a kind for ever, each with the next number."""
    for number in itertools.count(first, step):
        yield kind, request(number)
