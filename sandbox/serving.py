"""What the sandbox's own HTTP servers have in common.

They print no request, can reset a connection, and can pass a request on.
"""

import os
import socket
import ssl
import struct
import sys
import traceback
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, TypeAlias

Whole: TypeAlias = tuple[int, list[tuple[str, str]], bytes]
"""A whole answer: its status, headers and body."""

_HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


class Server(ThreadingHTTPServer):
    """A server on loopback that takes many connections at once and shows nothing of what is sent.

    Args:
        address: host and port.
        handler: of each request.
        context: for https; http without it.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], handler: type["Handler"], context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(address, handler)
        self._context = context

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection."""
        connection, address = super().get_request()
        if self._context is None:
            return connection, address
        # The handshake waits for the connection's own thread: one slow client must not hold up the others.
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # its signature in socketserver
        """Say what is wrong with this server, without the message, which may show a URL's query."""
        error = sys.exception()
        if not isinstance(error, OSError):  # peers break off whenever they like
            traceback.print_tb(error.__traceback__ if error else None)
            print(type(error).__name__, file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    """A handler that keeps quiet: http.server's own log lines hold the path, and so a URL's query."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in http.server
        """Keep quiet."""

    def read_body(self, most: int = sys.maxsize) -> bytes:
        """Return the request's body, or as much of it as is wanted."""
        length = int(self.headers.get("content-length") or 0)
        self.close_connection = self.close_connection or length > most
        return self.rfile.read(min(length, most))

    def reply(self, status: int, content: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send a whole answer."""
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def reply_whole(self, whole: Whole) -> None:
        """Send an answer that another server gave, or could have given."""
        status, headers, content = whole
        self.reply(status, content, [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP])

    def reset(self) -> None:
        """End the connection so that the peer sees a reset, not an orderly end."""
        self.close_connection = True
        # To linger for no time at all turns the close into a RST; detached, because socketserver would shut it down
        # in order first.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())


def without_hop_by_hop(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those of a request's headers, their names in lower case, that are meant for its last receiver."""
    return {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}


def forward(netloc: str, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole:
    """Send a request to `host:port` and return the answer."""
    connection = HTTPConnection(netloc, timeout=1000)
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()
