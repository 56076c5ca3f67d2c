"""What the sandbox's own HTTP servers have in common: they print no request, and can reset a connection."""

import os
import socket
import struct
import sys
import traceback
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """A server on loopback that takes many connections at once and shows nothing of what is sent."""

    daemon_threads = True
    request_queue_size = 128

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

    def reset(self) -> None:
        """End the connection so that the peer sees a reset, not an orderly end."""
        self.close_connection = True
        # To linger for no time at all turns the close into a RST; detached, because socketserver would shut it down
        # in order first.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
