"""The sandbox's own servers: they print no request, can reset a connection, and pass requests on."""

import os
import socket
import ssl
import struct
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

if TYPE_CHECKING:
    import trustme  # where only the CDK is installed, there is none


Whole: TypeAlias = tuple[int, list[tuple[str, str]], bytes]
"""A whole answer: its status, headers and body."""

_HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


class Service(ABC):
    """A server in threads of its own, at `url`. Use it as a context manager, or call `stop`.

    Args:
        bind: the address to listen on.
        port: to listen on; a free one by default.
        authority: vouches for the server, which then speaks https.
    """

    def __init__(self, *, bind: str = "127.0.0.1", port: int = 0, authority: "trustme.CA | None" = None) -> None:
        self._server = _Server((bind, port), self, authority)
        # Programs on the same machine reach every address through loopback.
        host = "127.0.0.1" if bind == "0.0.0.0" else bind  # noqa: S104  # what the user asked for
        self.url = f"http{'s' if authority else ''}://{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @abstractmethod
    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole | None:
        """Return the answer to a request, whose headers have names in lower case; None resets the connection."""

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: Service, authority: "trustme.CA | None") -> None:
        super().__init__(address, _Handler)
        self.service = service
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if authority else None
        if authority and self._context:
            authority.issue_cert("127.0.0.1", "localhost").configure_cert(self._context)

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


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in http.server
        """Keep quiet: http.server's own log lines hold the path, and so a URL's query."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.service.handle(self.command, self.path, headers, body)
        if answer is None:
            self._reset()
            return
        status, received, content = answer
        self.send_response_only(status)
        for name, value in received:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815  # http.server's names for it

    def _reset(self) -> None:
        self.close_connection = True
        # To linger for no time at all turns the close into a RST; detached, because socketserver would shut it down
        # in order first.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())


def forward(netloc: str, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Whole:
    """Send a request to `host:port`, but for headers that are meant for its first receiver; return the answer."""
    passed_on = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
    connection = HTTPConnection(netloc, timeout=1000)
    try:
        connection.request(method, target, body, passed_on)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()
