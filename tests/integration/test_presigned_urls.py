"""What a presigned URL leads to, over real HTTP: read whole, in time, and without the URL in anything that is said."""

import gzip
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final
from unittest.mock import Mock

import pytest

from ecr_image_waiter.aws.clients import PresignedUrls
from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.aws.errors import MOST_DOCUMENT_BYTES
from ecr_image_waiter.core.model import OWN, Unavailable
from ecr_image_waiter.telemetry import make_logger
from sandbox.processes import PATIENCE
from tests.support.clock import FakeClock
from tests.support.fakes import DIGEST, leaked, signed_query
from tests.support.patience import NO_SIGN_OF_AN_END
from tests.support.sockets import answering, closed_port, full_listener, reset_after, silent_listener, trickle

Serve = Callable[[socket.socket], None]


def url_of(port: int, *, scheme: str = "http", host: str = "127.0.0.1") -> str:
    """Return a URL in the form of ECR's, with canaries where that has secrets."""
    return f"{scheme}://{host}:{port}/a1b2-123456789012-layer/blob?{signed_query()}"


def answer(content: bytes, *, status: str = "200 OK", headers: str = "", length: int | None = None) -> Serve:
    """Send a whole answer, or one that promises another length than it has."""
    promised = len(content) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Length: {promised}\r\n{headers}\r\n".encode()
    return lambda connection: connection.sendall(head + content)


def get(port: int, *, most_bytes: int = MOST_DOCUMENT_BYTES, seconds: float = 5.0) -> bytes | None:
    return PresignedUrls(any_scheme=True).get(url_of(port), most_bytes=most_bytes, seconds=seconds)


@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 1000], ids=len)
def test_the_content_is_returned_as_it_is(content: bytes) -> None:
    with answering(answer(content)) as port:
        assert get(port) == content


def test_the_very_url_is_asked_for_with_its_query_and_without_credentials() -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65536))
                answer(b"{}")(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        get(port)
        thread.join()

    (request,) = asked
    assert request.startswith(f"GET {url_of(port).split(str(port))[1]} HTTP/1.1\r\n".encode())
    assert b"authorization" not in request.lower()


def test_content_of_just_the_limit_is_returned_and_one_byte_more_is_none() -> None:
    with answering(answer(b"12345")) as port:
        assert (get(port, most_bytes=5), get(port, most_bytes=4)) == (b"12345", None)


def test_content_beyond_the_limit_is_not_read_to_its_end() -> None:
    sent: list[int] = []
    over = threading.Event()

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                sent.append(connection.send(b"x" * 65_536))
        finally:
            over.set()

    with answering(endless) as port:
        assert get(port, most_bytes=100_000) is None
        assert over.wait(PATIENCE)

    assert sum(sent) < 50_000_000, "the reader hung up, so that no more than what buffers hold was sent"


def test_content_that_says_it_is_compressed_is_not_unpacked() -> None:
    """Its digest is that of the bytes as they are; and what is packed tightly would not fit into memory."""
    packed = gzip.compress(b"0" * 10_000_000)
    with answering(answer(packed, headers="Content-Encoding: gzip\r\n")) as port:
        assert get(port) == packed


# --- what goes wrong ------------------------------------------------------------------------------------------------

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"


@pytest.mark.parametrize(
    "peer",
    [
        lambda: answering(trickle(HEAD)),
        lambda: answering(trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ")),
        silent_listener,
        full_listener,
    ],
    ids=["content drips", "headers drip", "never answers", "never accepts"],
)
def test_a_read_ends_in_time_whatever_the_peer_does(peer: Callable[[], AbstractContextManager[int]]) -> None:
    with peer() as port:
        began = time.monotonic()

        with pytest.raises(OSError, match=r"^[A-Za-z' ()]+$"):
            get(port, seconds=0.4)

        assert time.monotonic() - began < NO_SIGN_OF_AN_END


def test_a_redirect_is_not_followed() -> None:
    visits: list[socket.socket] = []
    with (
        answering(visits.append) as elsewhere,
        answering(answer(b"", status="302 Found", headers=f"Location: {url_of(elsewhere)}\r\n")) as port,
        pytest.raises(OSError, match=r"^HTTP status 302$"),
    ):
        get(port)

    assert visits == []


@pytest.mark.parametrize("scheme", ["http", "file", "httpx", ""])
def test_nothing_but_https_is_asked_for_where_that_is_not_allowed(scheme: str) -> None:
    visits: list[socket.socket] = []
    with answering(visits.append) as port, pytest.raises(OSError, match=r"^its URL is not an https one$"):
        PresignedUrls(any_scheme=False).get(url_of(port, scheme=scheme), most_bytes=10, seconds=1.0)

    assert visits == []


WRONG: Final[dict[str, Callable[[], AbstractContextManager[int]]]] = {
    "403": lambda: answering(answer(b"<Error><Code>AccessDenied</Code></Error>", status="403 Forbidden")),
    "reset before an answer": lambda: answering(reset_after(b"")),
    "reset in the content": lambda: answering(reset_after(HEAD + b"{")),
    "ends before its length": lambda: answering(answer(b"{}", length=10)),
    "no HTTP": lambda: answering(lambda connection: connection.sendall(b"220 this is not HTTP\r\n\r\n")),
    "nobody listens": closed_port,
    "never answers": silent_listener,
}


def chain(error: BaseException) -> list[BaseException]:
    """Return an error and all that it was raised from or in the handling of, hidden by `from None` or not."""
    further = [each for each in (error.__cause__, error.__context__) if each]
    return [error, *(inner for each in further for inner in chain(each))]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("wrong", WRONG)
def test_whatever_goes_wrong_is_an_os_error_and_nothing_shows_the_urls_query(
    wrong: str, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The query is a credential. Lambda sets the root logger to a level of the user's, which may be DEBUG."""
    make_logger()
    caplog.set_level(logging.DEBUG)
    with ExitStack() as stack:
        port = stack.enter_context(WRONG[wrong]())
        with pytest.raises(OSError, match=r".+") as caught:
            PresignedUrls(any_scheme=scheme == "http").get(url_of(port, scheme=scheme), most_bytes=1000, seconds=0.4)

    logging.getLogger("any").debug("seen")
    assert "seen" in caplog.text
    shown = [
        caplog.text,
        *traceback.format_exception(caught.value),
        *(text for each in chain(caught.value) for text in (str(each), repr(each), repr(each.args))),
    ]
    assert not leaked("\n".join(shown))


def test_a_config_that_cannot_be_read_is_not_yet_and_its_message_shows_no_url() -> None:
    with WRONG["ends before its length"]() as port:
        ecr = Mock(get_download_url_for_layer=Mock(return_value={"downloadUrl": url_of(port), "layerDigest": DIGEST}))
        registry = Registry(lambda *_: ecr, lambda *_: "", FakeClock(), PresignedUrls(any_scheme=True).get)

        found = registry.config("team/app", DIGEST, [], source=OWN, seconds=0.4)

    assert isinstance(found, Unavailable)
    assert found.code == "ConfigUnread"
    assert not leaked(found.message)
    assert "127.0.0.1" not in found.message
