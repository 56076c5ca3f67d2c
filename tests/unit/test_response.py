"""The answer's body and its way to CloudFormation."""

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecr_image_waiter.aws.clients import PresignedUrls
from ecr_image_waiter.cfn.event import StackRequest, read_event
from ecr_image_waiter.cfn.response import MAX_BODY_BYTES, Response, Sender, encoded, physical_id
from ecr_image_waiter.core.deadline import Deadline
from ecr_image_waiter.core.messages import DeliveryFailed, harmless
from ecr_image_waiter.core.state import Outcome, WaitEnd
from ecr_image_waiter.telemetry import make_logger
from tests.support.clock import NOW, FakeClock
from tests.support.fakes import (
    REQUEST_ID,
    STACK_ID,
    FakeTransport,
    leaked,
    path_of,
    response_url,
    signed_query,
    stack_event,
)
from tests.support.patience import NO_SIGN_OF_AN_END
from tests.support.sockets import answering, every_name_has_many_addresses, full_listener, reset_after, trickle

NOTE = " (log stream 2026/11/01/[$LATEST]0123456789abcdef0123456789abcdef)"


def stack_request(request_type: str = "Create", /, **changes: Any) -> StackRequest:
    request = read_event(stack_event(request_type, **changes), dns_suffix="amazonaws.com", any_host=False)
    return cast("StackRequest", request)


CREATE = stack_request()


def body_of(answer: Response, request: StackRequest = CREATE) -> dict[str, Any]:
    body = encoded(request, answer).body
    assert len(body) <= MAX_BODY_BYTES
    return cast("dict[str, Any]", json.loads(body))


# --- The body -------------------------------------------------------------------------------------------------------


def test_a_success_carries_the_ids_and_the_attributes() -> None:
    body = body_of(Response("SUCCESS", data={"ImageTag": "v1"}))

    assert (body["Status"], body["Data"], body["Reason"], body["NoEcho"]) == ("SUCCESS", {"ImageTag": "v1"}, "", False)
    assert (body["StackId"], body["RequestId"], body["LogicalResourceId"]) == (STACK_ID, REQUEST_ID, "Image")


_reasons = st.text(
    st.characters() | st.characters(categories=["Cs"]) | st.sampled_from('"\\\n\0é€𝄞'), min_size=1, max_size=60
).flatmap(lambda piece: st.integers(1, 6000).map(lambda times: (piece * times)[:6000]))


@given(_reasons)
@example('"' * 6000)
@example("\ud83d" * 6000)
@example("𝄞" * 6000)
@example("\0" * 6000)
@example("x" * 100_000)
def test_any_reason_fits_and_keeps_its_beginning_and_the_note(reason: str) -> None:
    said = body_of(Response("FAILED", reason, NOTE))["Reason"]

    assert said.endswith(NOTE)
    kept, whole = said.removesuffix(NOTE), harmless(reason)
    if kept != whole:
        assert kept.endswith("...")
        begins = kept.removesuffix("...")
        assert whole.startswith(begins)
        assert len(begins) >= 400  # even at 6 bytes of JSON for a character


def test_a_reason_is_cut_only_where_it_must_be_and_then_uses_the_room_there_is() -> None:
    room = MAX_BODY_BYTES - len(encoded(CREATE, Response("FAILED", "x", NOTE)).body) + 1

    assert body_of(Response("FAILED", "x" * room, NOTE))["Reason"] == "x" * room + NOTE
    cut = encoded(CREATE, Response("FAILED", "x" * (room + 1), NOTE))
    assert json.loads(cut.body)["Reason"] != "x" * (room + 1) + NOTE
    assert MAX_BODY_BYTES - 1 <= len(cut.body) <= MAX_BODY_BYTES


def test_a_success_whose_attributes_do_not_fit_becomes_a_failure_that_says_so() -> None:
    empty = len(encoded(CREATE, Response("SUCCESS", note=NOTE, data={"ImageTag": ""})).body)
    room = MAX_BODY_BYTES - empty
    assert body_of(Response("SUCCESS", note=NOTE, data={"ImageTag": "x" * room}))["Status"] == "SUCCESS"

    found = Response("SUCCESS", note=NOTE, data={"ImageTag": "x" * (room + 1)}, end=WaitEnd(Outcome.READY, 5.0, 3, 1))
    response = encoded(CREATE, found)

    sent = json.loads(response.body)
    assert (sent["Status"], sent["Data"]) == ("FAILED", {})
    assert "attributes exceed" in sent["Reason"]
    assert (response.status, response.reason + response.note, response.data) == ("FAILED", sent["Reason"], {})
    assert response.end == WaitEnd(Outcome.UNEXPECTED, 5.0, 3, 1)


@pytest.mark.parametrize("letter", ["x", "é"])
def test_the_longest_ids_leave_room_for_an_answer(letter: str) -> None:
    longest = {"StackId": 600, "RequestId": 255, "LogicalResourceId": 255, "PhysicalResourceId": 1024}
    ids = {key: letter * (length // len(letter.encode())) for key, length in longest.items()}
    request = stack_request("Update", **ids)

    assert body_of(Response("FAILED", "x" * 5000, NOTE), request)["Reason"].endswith(NOTE)


# --- The physical id ------------------------------------------------------------------------------------------------


def test_a_create_has_the_same_physical_id_each_time_it_comes_and_another_create_another() -> None:
    assert physical_id(CREATE) == physical_id(stack_request(ResponseURL=response_url(query="x=y")))
    for key in ("StackId", "RequestId", "LogicalResourceId"):
        assert physical_id(CREATE) != physical_id(stack_request(**{key: "another"}))


def test_a_physical_id_is_the_logical_id_and_64_bits_that_no_other_create_has() -> None:
    ids = {physical_id(stack_request(StackId=f"s{n}", RequestId=f"r{m}")) for n in range(20) for m in range(20)}

    assert len({made.removeprefix("Image-")[:8] for made in ids}) == 400  # no part of it stands still
    assert all(re.fullmatch(r"Image-[0-9a-f]{16}", made) for made in ids)


@pytest.mark.parametrize("request_type", ["Update", "Delete"])
@pytest.mark.parametrize("status", ["SUCCESS", "FAILED"])
def test_the_physical_id_is_kept(request_type: str, status: Any) -> None:
    request = stack_request(request_type, PhysicalResourceId="made up by CloudFormation")

    assert body_of(Response(status, "why"), request)["PhysicalResourceId"] == "made up by CloudFormation"


@pytest.mark.parametrize("request_type", ["Create", "Update"])
@pytest.mark.parametrize("logical_id", ["x" * 255, "é" * 127])
def test_a_physical_id_is_never_empty_and_at_most_a_kilobyte(request_type: str, logical_id: str) -> None:
    request = stack_request(request_type, PhysicalResourceId="", LogicalResourceId=logical_id)

    assert 0 < len(physical_id(request).encode("utf-8", "surrogatepass")) <= 1024


# --- Sending ----------------------------------------------------------------------------------------------------


def deliver(transport: FakeTransport, clock: FakeClock, seconds: float = 30.0) -> int:
    return Sender(transport.put, clock).deliver(response_url(), b"{}", Deadline(NOW + seconds, clock))


def test_a_delivered_answer_is_not_sent_again() -> None:
    clock, transport = FakeClock(), FakeTransport(204)

    assert deliver(transport, clock) == 1
    assert transport.puts == [(response_url(), b"{}", 5.0)]
    assert clock.sleeps == []


@pytest.mark.parametrize("fault", [429, 500, 503, ConnectionResetError("reset"), TimeoutError("slow")])
def test_delivery_is_tried_again_with_growing_pauses(fault: int | Exception) -> None:
    clock, transport = FakeClock(), FakeTransport(fault, fault, fault)

    assert deliver(transport, clock) == 4
    assert clock.sleeps == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [301, 400, 403, 404])
def test_any_other_status_is_final(status: int) -> None:
    clock, transport = FakeClock(), FakeTransport(status)

    with pytest.raises(DeliveryFailed, match=f"HTTP status {status}, probably "):
        deliver(transport, clock)

    assert len(transport.puts) == 1


@pytest.mark.parametrize("takes", [0.0, 0.7, 60.0])
@pytest.mark.parametrize("seconds", [-1.0, 0.3, 10.0, 900.0])
def test_delivery_ends_in_time(takes: float, seconds: float) -> None:
    clock = FakeClock()
    transport = FakeTransport(*[OSError("down")] * 100, clock=clock, takes=takes)

    with pytest.raises(DeliveryFailed, match="attempt"):
        deliver(transport, clock, seconds)

    # 0.1 s is the shortest timeout; it is what a last attempt gets where no time is left.
    assert clock.now() <= NOW + min(max(seconds, 0.1), 20.0)
    assert len(transport.puts) >= 1


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (403, "expired"),
        (400, "changed in transit"),
        (404, "bucket no longer exists"),
        (418, "URL is not S3's"),
        (429, "S3 is throttling"),
        (503, "S3 is throttling"),
        (500, "S3 is at fault"),
        (OSError("NewConnectionError"), "VPC has no route to S3"),
    ],
)
def test_a_failed_delivery_says_its_likely_cause_and_no_part_of_the_url(fault: int | Exception, cause: str) -> None:
    transport = FakeTransport(*[fault] * 100)

    with pytest.raises(DeliveryFailed, match=cause) as caught:
        deliver(transport, FakeClock())

    assert not leaked(str(caught.value))
    assert path_of(response_url()) not in str(caught.value)


# --- The transport --------------------------------------------------------------------------------------------------


class Bucket(BaseHTTPRequestHandler):
    """An HTTP server's handler that keeps each PUT: its path, content types and body. It checks no signature."""

    received: list[tuple[str, list[str], bytes]]
    reply: tuple[int, dict[str, str]]

    def do_PUT(self) -> None:  # http.server's name for it
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, self.headers.get_all("Content-Type", []), body))
        status, headers = self.reply
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(status: int = 200, **headers: str) -> Iterator[tuple[str, list[tuple[str, list[str], bytes]]]]:
    """Return the URL of a bucket, and what it receives."""
    received: list[tuple[str, list[str], bytes]] = []
    handler = type("Handler", (Bucket,), {"received": received, "reply": (status, headers)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield response_url(f"127.0.0.1:{server.server_port}", scheme="http"), received
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def at_debug(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log of everything, at DEBUG."""
    make_logger()
    caplog.set_level(logging.DEBUG)
    return caplog


def test_the_transport_puts_the_body_with_an_empty_content_type_to_the_very_url_and_to_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving() as (url, received):
        assert PresignedUrls().put(url, b'{"a": 1}', 5.0) == 200

    assert received == [(path_of(url) + "?" + signed_query(), [""], b'{"a": 1}')]


@pytest.mark.parametrize("status", [403, 503])
def test_the_transport_reports_a_status_and_does_not_try_again_itself(status: int) -> None:
    with serving(status, **{"Retry-After": "0"}) as (url, received):
        assert PresignedUrls().put(url, b"{}", 5.0) == status

    assert len(received) == 1


def until_the_client_hangs_up(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


@pytest.mark.parametrize(
    "serve",
    [until_the_client_hangs_up, lambda _: None, lambda connection: connection.sendall(b"220 this is not HTTP\r\n\r\n")],
    ids=["silent", "hangs up", "nonsense"],
)
def test_timeouts_and_broken_connections_are_os_errors_that_show_nothing(
    serve: Callable[[socket.socket], None], at_debug: pytest.LogCaptureFixture
) -> None:
    with answering(serve) as port, pytest.raises(OSError, match=r"^[A-Za-z ]+$") as caught:
        PresignedUrls().put(response_url(f"127.0.0.1:{port}", scheme="http"), b"{}", 0.3)

    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not leaked(at_debug.text + str(caught.value))


def test_a_put_to_a_name_with_many_dead_addresses_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    every_name_has_many_addresses(monkeypatch)
    with full_listener() as port:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"^[A-Za-z ]+$"):
            PresignedUrls().put(response_url(f"name.invalid:{port}", scheme="http"), b"{}", 0.5)
        assert time.monotonic() - began < NO_SIGN_OF_AN_END


def test_a_put_tries_the_next_address_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_listener() as dead, serving() as (url, _):
        port = int(url.split(":")[2].split("/")[0])
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [(*stream, ("127.0.0.1", each)) for each in (dead, port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)

        assert PresignedUrls().put(url, b"{}", 5.0) == 200


@pytest.mark.parametrize(("serve", "status"), [(trickle, 200), (reset_after, 503)], ids=["trickles", "is reset"])
def test_a_status_counts_although_the_body_behind_it_never_comes(
    serve: Callable[[bytes], Callable[[socket.socket], None]], status: int
) -> None:
    head = f"HTTP/1.1 {status} Any\r\nContent-Length: 99999\r\n\r\nabc".encode()
    with answering(serve(head)) as port:
        assert PresignedUrls().put(response_url(f"127.0.0.1:{port}", scheme="http"), b"{}", 3.0) == status


def test_no_logger_shows_the_url_of_a_delivery(at_debug: pytest.LogCaptureFixture) -> None:
    with serving() as (url, _):
        PresignedUrls().put(url, b"{}", 5.0)
        logging.getLogger("any").debug("seen")

    assert "seen" in at_debug.text
    assert not leaked(at_debug.text)
