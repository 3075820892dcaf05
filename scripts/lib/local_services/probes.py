# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Check in a service's own protocol whether it is running, and its version.

Only the standard library is used, because this runs before anything else is
installed. Each probe returns the version ("" if the service does not report one) or
raises NoAnswer.
"""

from __future__ import annotations

import ast
import base64
import json
import socket
import ssl
import struct
import urllib.error
import urllib.request
from urllib.parse import SplitResult, unquote, urlsplit

from .errors import NoAnswer

TIMEOUT = 5.0


def connect(host: str, port: int) -> socket.socket:
    """Open a connection to a port."""
    return socket.create_connection((host, port), TIMEOUT)


def database(uri: str) -> str:
    """Probe a SQLAlchemy URI."""
    parts = urlsplit(uri)
    kind = parts.scheme.partition("+")[0]
    if kind == "sqlite":
        return ""
    if kind not in ("postgresql", "postgres"):
        with _connect(parts, 3306):
            return ""
    with _connect(parts, 5432) as link:
        return _postgresql(link, unquote(parts.username or ""), parts.path[1:])


def search(hosts: str) -> str:
    """Probe a list of hosts, written as a Python literal; all must answer."""
    versions = [search_node(url) for url in search_urls(hosts)]
    if not versions:
        raise NoAnswer("the list of hosts is empty")
    return versions[0]


def search_node(url: str, path: str = "/") -> str:
    """Probe one node of OpenSearch and return its version."""
    answer = get_json(url, path)
    try:
        return answer["version"]["number"]
    except (KeyError, TypeError):
        raise NoAnswer("what answers is not OpenSearch") from None


def get_json(url: str, path: str):
    """Return the response of an OpenSearch node to a GET."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(f"{parts.scheme}://{host}{path}")
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        code = base64.b64encode(pair.encode()).decode()
        request.add_header("Authorization", f"Basic {code}")
    # A proxy for the internet must not be used for a local address.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=_lenient_tls()),
    )
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise NoAnswer(f"it answers with HTTP status {error.code}") from None
    except (OSError, ValueError) as error:
        raise NoAnswer(_reason(error)) from None


def search_urls(hosts: str) -> list[str]:
    """Convert SEARCH_HOSTS, in any of its formats, to URLs."""
    try:
        listed = ast.literal_eval(hosts)
    except (ValueError, SyntaxError):
        listed = hosts.split(",")
    if isinstance(listed, (str, dict)):
        listed = [listed]
    return [_search_url(entry) for entry in listed]


def _search_url(entry) -> str:
    if isinstance(entry, dict):
        scheme = "https" if entry.get("use_ssl") else entry.get("scheme", "http")
        return f"{scheme}://{entry.get('host', 'localhost')}:{entry.get('port', 9200)}"
    entry = str(entry).strip()
    return entry.rstrip("/") if "://" in entry else f"http://{entry}"


def cache(url: str) -> str:
    """Probe a Redis by its URL."""
    parts = urlsplit(url)
    with _connect(parts, 6379, tls=parts.scheme == "rediss") as link:
        lines = link.makefile("rb")
        if parts.password:
            words = [unquote(parts.username or "default"), unquote(parts.password)]
            _redis(link, lines, "AUTH", *words)
        if _redis(link, lines, "PING") != "PONG":
            raise NoAnswer("what answers is not Redis")
        for line in _redis(link, lines, "INFO", "server").splitlines():
            if line.startswith("redis_version:"):
                return line.partition(":")[2].strip()
    return ""


def queue(url: str) -> str:
    """Probe a message broker by its URL: AMQP, or Redis used as one."""
    parts = urlsplit(url)
    if parts.scheme in ("redis", "rediss"):
        return cache(url)
    tls = parts.scheme == "amqps"
    with _connect(parts, 5671 if tls else 5672, tls=tls) as link:
        link.sendall(b"AMQP\x00\x00\x09\x01")
        # Connection.Start: type 1, channel 0, size, then class 10, method 10.
        kind, _, size = struct.unpack(">BHI", _receive(link, 7))
        start = _receive(link, size)
        if kind != 1 or start[:4] != b"\x00\x0a\x00\x0a":
            raise NoAnswer("what answers does not speak AMQP 0.9.1")
        _, found, rest = start.partition(b"\x07versionS")
        length = int.from_bytes(rest[:4], "big") if found else 0
        return rest[4 : 4 + length].decode(errors="replace")


def _connect(parts: SplitResult, port: int, tls: bool = False) -> socket.socket:
    host = parts.hostname or "localhost"
    try:
        link = connect(host, parts.port or port)
        return _lenient_tls().wrap_socket(link, server_hostname=host) if tls else link
    except OSError as error:
        raise NoAnswer(_reason(error)) from None


def _lenient_tls() -> ssl.SSLContext:
    """Return a context that suffices for a probe, but not for sending data."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _receive(link: socket.socket, size: int) -> bytes:
    data = b""
    try:
        while len(data) < size:
            more = link.recv(size - len(data))
            if not more:
                raise NoAnswer("it closes the connection")
            data += more
    except OSError as error:
        raise NoAnswer(_reason(error)) from None
    return data


def _redis(link: socket.socket, lines, *words: str) -> str:
    parts = [f"*{len(words)}\r\n"]
    parts += [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    try:
        link.sendall("".join(parts).encode())
        head = lines.readline().decode(errors="replace").strip()
        if head.startswith("$"):
            return lines.read(int(head[1:]) + 2).decode(errors="replace")
    except (OSError, ValueError) as error:
        raise NoAnswer(_reason(error)) from None
    if not head.startswith("+"):
        raise NoAnswer(head.lstrip("-") or "it closes the connection")
    return head[1:]


def _postgresql(link: socket.socket, user: str, name: str) -> str:
    words = ["user", user, "database", name or user]
    body = b"\x00\x03\x00\x00" + "\x00".join([*words, "", ""]).encode()
    link.sendall(struct.pack(">I", len(body) + 4) + body)
    version = ""
    while True:
        kind, size = struct.unpack(">cI", _receive(link, 5))
        message = _receive(link, size - 4)
        if kind == b"E":
            raise NoAnswer(_postgresql_error(message))
        if kind == b"R" and message[:4] != b"\x00\x00\x00\x00":
            return version  # it asks for a password, so it is running
        if kind == b"S" and message.startswith(b"server_version\x00"):
            version = message.split(b"\x00")[1].decode().split()[0]
        if kind == b"Z":
            return version
        if kind not in b"RSKN":
            raise NoAnswer("what answers is not PostgreSQL")


def _postgresql_error(message: bytes) -> str:
    fields = message.decode(errors="replace").split("\x00")
    return next((text[1:] for text in fields if text.startswith("M")), "it refuses")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    text = getattr(reason, "strerror", None) or str(reason) or type(error).__name__
    return text[:1].lower() + text[1:]
