"""Servers on loopback that do not behave. Each gives a port and is gone when its context ends."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import pytest

ADDRESSES: Final = 8
"""As many as S3 and Lambda give for one name."""
_LONG: Final = 60.0


@contextmanager
def full_listener() -> Iterator[int]:
    """Give a port whose queue is full, so that connecting to it takes for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        queued = [socket.socket() for _ in range(4)]
        for each in queued:
            each.settimeout(0)
            each.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for each in queued:
                each.close()


@contextmanager
def silent_listener() -> Iterator[int]:
    """Give a port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


@contextmanager
def closed_port() -> Iterator[int]:
    """Give a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield port


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Give a port, each connection to which is read once and then dealt with as told."""
    ended = threading.Event()

    def deal(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            serve(connection)

    def accept() -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                threading.Thread(target=deal, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            thread.join()


def trickle(beginning: bytes) -> Callable[[socket.socket], None]:
    """Send the beginning at once, then a byte now and then, for longer than any test takes."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(beginning)
        pause = threading.Event()
        for _ in range(int(_LONG / 0.05)):
            pause.wait(0.05)
            connection.sendall(b"x")

    return serve


def reset_after(beginning: bytes) -> Callable[[socket.socket], None]:
    """Send the beginning, then break the connection off."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(beginning)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return serve


def every_name_has_many_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name have several addresses, all of them this machine's."""

    def look_up(_host: object, port: int, *_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * ADDRESSES

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def no_name_is_ever_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let looking up a name take for ever."""
    never = threading.Event()

    def look_up(*_: object, **__: object) -> list[Any]:
        never.wait(_LONG)
        raise socket.gaierror("nobody answered")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
