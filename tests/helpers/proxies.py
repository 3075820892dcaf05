# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Proxies for OpenSearch.

:class:`Proxy` can hold back a request or a response. A process to be killed in the
middle of a write is held there, from outside, until the test kills it. Its code need
not change for that. It can also refuse requests, as a security plugin does, or lose
responses. :class:`Relay` can be stopped and started like a node, but in no
time.
"""

import json
import re
import socket
import threading
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 60.0
_HOP_BY_HOP = frozenset({"connection", "content-length", "host", "transfer-encoding"})


class Gate:
    """Holds requests of one kind.

    Args:
        path: a part of the request's path.
        word: a word that the request's body must contain.
        after: number of such requests to let through first.
        stored: hold the response, after OpenSearch has done the work; otherwise hold
            the request, which OpenSearch then has not received.

    Attributes:
        held: number of requests that were held so far.
    """

    def __init__(self, path, word="", after=0, stored=False):
        """Store the arguments."""
        self._path, self._word = path, word.encode()
        self._left, self.stored, self.held = after, stored, 0
        self._reached, self._open = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def wait(self):
        """Wait until a request is held."""
        assert self._reached.wait(PATIENCE), "no request came to the gate"

    def open(self):
        """Release what is held, and let everything through."""
        self._open.set()

    def concerns(self, path, body):
        """Return whether to hold a request; count it if it is let through."""
        if self._path not in path or self._word not in body:
            return False
        with self._lock:
            self._left -= 1
            return self._left < 0

    def hold(self):
        """Hold a request until the gate is opened."""
        with self._lock:
            self.held += 1
        self._reached.set()
        self._open.wait()


class Interference:
    """Refuses requests of one kind, or loses their responses.

    Args:
        method: of the requests; empty for all.
        path: regular expression that the path must contain.
        refusal: the status and the error of the response; None to do the work and to
            lose the response.
        times: number of such requests; None for all.

    Attributes:
        count: number of requests so far.
    """

    def __init__(self, method, path, refusal=None, times=None):
        """Store the arguments."""
        self._method, self._path = method, re.compile(path)
        self.refusal, self._left, self.count = refusal, times, 0
        self._lock = threading.Lock()

    def concerns(self, method, path):
        """Return whether to interfere with a request; count it if so."""
        if self._method not in ("", method) or not self._path.search(path):
            return False
        with self._lock:
            if self._left == 0:
                return False
            self._left = None if self._left is None else self._left - 1
            self.count += 1
            return True


def no_permissions(action):
    """Return the refusal of OpenSearch's security plugin."""
    reason = f"no permissions for [{action}] and User [name=site, backend_roles=[]]"
    error = {"type": "security_exception", "reason": reason}
    return 403, {"error": {**error, "root_cause": [error]}, "status": 403}


def refused_writes(action):
    """Return a function that refuses the actions of a bulk request one by one.

    Args:
        action: the permission that is missing.
    """

    def refuse(body):
        _, answer = no_permissions(action)
        heads = map(json.loads, body.splitlines()[::2])
        return 200, {
            "errors": True,
            "items": [
                {
                    operation: {
                        "_id": head.get("_id"),
                        "status": 403,
                        "error": answer["error"],
                    }
                }
                for line in heads
                for operation, head in line.items()
            ],
        }

    return refuse


class Proxy:
    """Forwards requests to an OpenSearch node.

    Args:
        host: ``name:port`` of the node.

    Attributes:
        host: the node; may be changed.
        address: address on which the proxy listens.
        blocked: number of responses so far that reported a block.
    """

    def __init__(self, host):
        """Listen immediately."""
        self.host, self.blocked, self.gates = host, 0, []
        self.interferences = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @contextmanager
    def gate(self, *arguments, **options):
        """Hold requests of one kind inside the context; see :class:`Gate`."""
        gate = Gate(*arguments, **options)
        self.gates.append(gate)
        try:
            yield gate
        finally:
            self.gates.remove(gate)
            gate.open()

    @contextmanager
    def refusing(self, method, path, action="", times=None, refusal=None):
        """Refuse requests of one kind inside the context.

        Args:
            method: of the requests; empty for all.
            path: regular expression that the path must contain.
            action: the permission that is missing.
            times: number of requests to refuse; None for all.
            refusal: status and body of another response, or a function that returns
                both for the body of a request.
        """
        refusal = refusal or no_permissions(action)
        with self._interfering(Interference(method, path, refusal, times)) as found:
            yield found

    @contextmanager
    def losing(self, method, path, times=1):
        """Lose the responses to some requests, which OpenSearch receives."""
        with self._interfering(Interference(method, path, None, times)) as found:
            yield found

    @contextmanager
    def _interfering(self, interference):
        self.interferences.append(interference)
        try:
            yield interference
        finally:
            self.interferences.remove(interference)

    def close(self):
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _handler(proxy):
    """Return the class that handles the requests of a proxy."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _hand_over(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            found = [
                i
                for i in list(proxy.interferences)
                if i.concerns(self.command, self.path)
            ]
            refusals = [i.refusal for i in found if i.refusal]
            if refusals:
                given = refusals[0]
                return self._refuse(*(given(body) if callable(given) else given))
            held = [g for g in list(proxy.gates) if g.concerns(self.path, body)]
            for gate in held:
                if not gate.stored:
                    gate.hold()
            answer = _answer(proxy.host, self.command, self.path, self.headers, body)
            for gate in held:
                if gate.stored:
                    gate.hold()
            with suppress(OSError):  # the client may have been killed meanwhile
                self._give(None if found else answer)

        def _refuse(self, status, body):
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            kind = "text/html" if isinstance(body, bytes) else "application/json"
            content = b"" if self.command == "HEAD" else content
            self._give((status, [("content-type", kind)], content))

        def _give(self, answer):
            if answer is None:  # the node is unavailable, so close without a response
                self.close_connection = True
                return
            status, headers, content = answer
            if b"cluster_block_exception" in content:
                proxy.blocked += 1
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _hand_over

        def log_message(self, *_):
            """Log nothing."""

    return Handler


def _answer(host, method, path, headers, body):
    """Return status, headers and content; None if the node does not respond."""
    connection = HTTPConnection(host, timeout=120)
    forwarded = {k: v for k, v in headers.items() if k.lower() not in _HOP_BY_HOP}
    try:
        connection.request(method, path, body or None, forwarded)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


class Relay:
    """Forwards connections to a node until it is stopped.

    To its clients, a stopped relay is a stopped node: connections end, and the port
    refuses new ones.

    Args:
        host: ``name:port`` of the node.

    Attributes:
        port: the port on which the relay listens.
        address: its address.
    """

    def __init__(self, host):
        """Start to listen on a free port."""
        name, _, port = host.partition(":")
        self._node, self.port = (name, int(port)), 0
        self._listening, self._open = None, set()
        self.start()
        self.address = f"localhost:{self.port}"

    def start(self):
        """Listen, if the relay is stopped."""
        if self._listening:
            return
        self._listening = socket.create_server(("localhost", self.port))
        self.port = self._listening.getsockname()[1]
        self._in_thread(self._accept, self._listening)

    def stop(self):
        """End all connections, and refuse new ones."""
        listening, self._listening = self._listening, None
        if listening:
            _close(listening)
        for connection in tuple(self._open):
            _close(connection)

    def _accept(self, listening):
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # it is stopped
                return
            try:
                node = socket.create_connection(self._node)
            except OSError:  # the node is stopped, too
                _close(connection)
                continue
            self._open |= {connection, node}
            self._in_thread(self._copy, connection, node)
            self._in_thread(self._copy, node, connection)
            if self._listening is not listening:  # stopped in the meantime
                _close(connection)

    def _copy(self, source, target):
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for connection in (source, target):
            _close(connection)
            self._open.discard(connection)

    def _in_thread(self, function, *arguments):
        threading.Thread(target=function, args=arguments, daemon=True).start()


def _close(connection):
    """Close a socket, and wake the thread that waits for it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
