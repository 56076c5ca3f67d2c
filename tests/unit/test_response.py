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
from ecr_image_waiter.cfn.response import MAX_BODY_BYTES, Courier, Response, encoded, physical_id
from ecr_image_waiter.core.deadline import Deadline
from ecr_image_waiter.core.messages import DeliveryFailed, harmless
from ecr_image_waiter.core.state import Ended, Outcome
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
from tests.support.sockets import (
    answering,
    every_name_has_many_addresses,
    full_listener,
    no_name_is_ever_found,
    reset_after,
    trickle,
)
from tests.support.waiting import NO_SIGN_OF_AN_END

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


def test_a_failure_carries_its_reason_whole_with_the_note_where_both_fit() -> None:
    reason = "It did not come. " * 60  # crhelper alone would keep the last 240 characters

    body = body_of(Response("FAILED", reason, NOTE))

    assert (body["Status"], body["Reason"], body["Data"]) == ("FAILED", reason + NOTE, {})


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


def test_a_cut_reason_uses_the_room_there_is() -> None:
    assert MAX_BODY_BYTES - 1 <= len(encoded(CREATE, Response("FAILED", "x" * 5000, NOTE)).body) <= MAX_BODY_BYTES


@given(st.integers(0, 5000))
def test_a_reason_of_any_length_is_cut_only_where_it_must_be(length: int) -> None:
    whole = len(encoded(CREATE, Response("FAILED", "x", NOTE)).body) - 1 + length <= MAX_BODY_BYTES

    said = body_of(Response("FAILED", "x" * length, NOTE))["Reason"]

    assert length == 0 or (said == "x" * length + NOTE) is whole


@pytest.mark.parametrize("over", range(-4, 5))
def test_a_reason_that_just_fits_is_whole(over: int) -> None:
    room = MAX_BODY_BYTES - len(encoded(CREATE, Response("FAILED", "x", NOTE)).body) + 1

    said = body_of(Response("FAILED", "x" * (room + over), NOTE))["Reason"]

    assert said == "x" * (room - 3 if over > 0 else room + over) + ("..." if over > 0 else "") + NOTE


def test_a_success_whose_attributes_do_not_fit_becomes_a_failure_that_says_so() -> None:
    body = body_of(Response("SUCCESS", note=NOTE, data={"ImageTag": "x" * 4000}))

    assert (body["Status"], body["Data"]) == ("FAILED", {})
    assert "attributes do not fit" in body["Reason"]
    assert body["Reason"].endswith(NOTE)


def test_what_is_returned_is_the_failure_that_is_sent() -> None:
    found = Response("SUCCESS", note=NOTE, data={"ImageTag": "x" * 4000}, ended=Ended(Outcome.READY, 5.0, 3, 1))

    response = encoded(CREATE, found)

    sent = json.loads(response.body)
    assert (response.status, response.reason + response.note, response.data) == ("FAILED", sent["Reason"], {})
    assert response.ended == Ended(Outcome.UNEXPECTED, 5.0, 3, 1)


def test_attributes_that_just_fit_stay_a_success() -> None:
    empty = len(encoded(CREATE, Response("SUCCESS", data={"ImageTag": ""})).body)

    assert body_of(Response("SUCCESS", data={"ImageTag": "x" * (MAX_BODY_BYTES - empty)}))["Status"] == "SUCCESS"
    assert body_of(Response("SUCCESS", data={"ImageTag": "x" * (MAX_BODY_BYTES - empty + 1)}))["Status"] == "FAILED"


@pytest.mark.parametrize("letter", ["x", "é"])
def test_the_longest_ids_leave_room_for_an_answer(letter: str) -> None:
    request = stack_request(
        "Update",
        StackId=letter * (600 // len(letter.encode())),
        RequestId=letter * (255 // len(letter.encode())),
        LogicalResourceId=letter * (255 // len(letter.encode())),
        PhysicalResourceId=letter * (1024 // len(letter.encode())),
    )

    assert body_of(Response("FAILED", "x" * 5000, NOTE), request)["Reason"].endswith(NOTE)


def test_one_answer_leaves_nothing_over_for_the_next() -> None:
    body_of(Response("FAILED", "because", NOTE, {"a": "b"}), stack_request("Update", RequestId="other"))

    body = body_of(Response("SUCCESS"))

    assert (body["Reason"], body["Data"], body["RequestId"]) == ("", {}, REQUEST_ID)


# --- The physical id ------------------------------------------------------------------------------------------------


def test_a_create_has_the_same_physical_id_each_time_it_comes() -> None:
    assert physical_id(stack_request()) == physical_id(stack_request(ResponseURL=response_url(query="x=y")))


@pytest.mark.parametrize("key", ["StackId", "RequestId", "LogicalResourceId"])
def test_another_create_has_another_physical_id(key: str) -> None:
    assert physical_id(stack_request()) != physical_id(stack_request(**{key: "another"}))


def test_a_physical_id_is_the_logical_id_and_64_bits_that_no_other_create_has() -> None:
    ids = {physical_id(stack_request(StackId=f"s{n}", RequestId=f"r{m}")) for n in range(20) for m in range(20)}

    assert len({made.removeprefix("Image-")[:8] for made in ids}) == 400  # no part of it stands still
    assert all(re.fullmatch(r"Image-[0-9a-f]{16}", made) for made in ids)


@pytest.mark.parametrize("request_type", ["Update", "Delete"])
@pytest.mark.parametrize("status", ["SUCCESS", "FAILED"])
def test_the_physical_id_is_kept(request_type: str, status: Any) -> None:
    request = stack_request(request_type, PhysicalResourceId="made up by CloudFormation")

    assert body_of(Response(status, "why"), request)["PhysicalResourceId"] == "made up by CloudFormation"


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
@pytest.mark.parametrize("logical_id", ["x", "x" * 255, "é" * 127])
def test_a_physical_id_is_never_empty_and_at_most_a_kilobyte(request_type: str, logical_id: str) -> None:
    request = stack_request(request_type, PhysicalResourceId="", LogicalResourceId=logical_id)

    assert 0 < len(physical_id(request).encode("utf-8", "surrogatepass")) <= 1024


# --- The courier ----------------------------------------------------------------------------------------------------


def deliver(transport: FakeTransport, clock: FakeClock, seconds: float = 30.0) -> int:
    return Courier(transport.put, clock).deliver(response_url(), b"{}", Deadline(NOW + seconds, clock))


@pytest.mark.parametrize("status", [200, 204])
def test_a_delivered_answer_is_not_sent_again(status: int) -> None:
    clock, transport = FakeClock(), FakeTransport(status)

    assert deliver(transport, clock) == 1
    assert transport.puts == [(response_url(), b"{}", 5.0)]
    assert clock.sleeps == []


@pytest.mark.parametrize("fault", [429, 500, 502, 503, ConnectionResetError("reset"), TimeoutError("slow")])
def test_delivery_is_tried_again_with_growing_pauses(fault: int | Exception) -> None:
    clock, transport = FakeClock(), FakeTransport(fault, fault, fault)

    assert deliver(transport, clock) == 4
    assert clock.sleeps == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 405])
def test_any_other_status_is_final(status: int) -> None:
    clock, transport = FakeClock(), FakeTransport(status)

    with pytest.raises(DeliveryFailed, match=f"HTTP status {status}, probably "):
        deliver(transport, clock)

    assert len(transport.puts) == 1


@pytest.mark.parametrize("takes", [0.0, 0.7, 60.0])
@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.3, 3.0, 10.0, 900.0])
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
        (400, "changed on its way"),
        (404, "bucket is not there"),
        (418, "not one of S3's"),
        (429, "S3 is throttling"),
        (503, "S3 is throttling"),
        (500, "S3 is at fault"),
        (OSError("NewConnectionError"), "in a VPC needs a route to S3"),
    ],
)
def test_a_failed_delivery_says_its_likely_cause_and_no_part_of_the_url(fault: int | Exception, cause: str) -> None:
    transport = FakeTransport(*[fault] * 100)

    with pytest.raises(DeliveryFailed, match=cause) as caught:
        deliver(transport, FakeClock())

    assert not leaked(str(caught.value))
    assert path_of(response_url()) not in str(caught.value)


# --- The transport --------------------------------------------------------------------------------------------------


class Bucket:
    """An HTTP server on loopback that keeps what it is sent. It checks no signature."""

    def __init__(self, port: int) -> None:
        self.url = response_url(f"127.0.0.1:{port}", scheme="http")
        self.received: list[tuple[str, list[tuple[str, str]], bytes]] = []


@contextmanager
def serving(status: int, headers: dict[str, str]) -> Iterator[Bucket]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:  # the name http.server looks for
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bucket.received.append((self.path, self.headers.items(), body))
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        bucket = Bucket(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield bucket
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def misbehaving(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Accept one connection and do with it as told; give the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield response_url(f"127.0.0.1:{listener.getsockname()[1]}", scheme="http")
        thread.join()


def test_the_transport_puts_the_body_with_an_empty_content_type_to_the_very_url() -> None:
    with serving(200, {}) as bucket:
        assert PresignedUrls().put(bucket.url, b'{"a": 1}', 5.0) == 200

    ((path, headers, body),) = bucket.received
    assert (path, body) == (path_of(bucket.url) + "?" + signed_query(), b'{"a": 1}')
    assert [value for name, value in headers if name.lower() == "content-type"] == [""]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_transport_follows_no_redirect(status: int) -> None:
    with serving(200, {}) as elsewhere, serving(status, {"Location": elsewhere.url}) as bucket:
        assert PresignedUrls().put(bucket.url, b"{}", 5.0) == status

    assert elsewhere.received == []


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_the_transport_reports_a_status_and_does_not_try_again_itself(status: int) -> None:
    with serving(status, {"Retry-After": "0"}) as bucket:
        assert PresignedUrls().put(bucket.url, b"{}", 5.0) == status

    assert len(bucket.received) == 1


def _silent(connection: socket.socket) -> None:
    while connection.recv(65536):  # until the client hangs up
        pass


def _hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


def _nonsense(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"220 this is not HTTP\r\n\r\n")


@pytest.mark.parametrize("serve", [_silent, _hang_up, _nonsense])
def test_time_outs_and_broken_connections_are_os_errors_that_show_nothing(
    serve: Callable[[socket.socket], None], caplog: pytest.LogCaptureFixture
) -> None:
    make_logger()
    caplog.set_level(logging.DEBUG)

    with misbehaving(serve) as url, pytest.raises(OSError, match=r"^[A-Za-z ]+$") as caught:
        PresignedUrls().put(url, b"{}", 0.3)

    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not leaked(caplog.text + str(caught.value))


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:{port}", "nowhere.invalid", "a..amazonaws.com", "x" * 64 + ".amazonaws.com", "a b.amazonaws.com"],
)
def test_a_host_that_is_not_there_is_an_os_error_that_shows_nothing(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_logger()
    caplog.set_level(logging.DEBUG)
    url = response_url(host.format(port=_unused_port()), scheme="http")

    with pytest.raises(OSError, match=r"^[A-Za-z]+$") as caught:
        PresignedUrls().put(url, b"{}", 0.5)

    assert not leaked(caplog.text + str(caught.value))


"""What a busy machine may add. Far less than what any of these takes without a deadline."""


def put(url: str, seconds: float) -> float:
    """Return how long a PUT took that came to nothing."""
    transport, began = PresignedUrls(), time.monotonic()
    with pytest.raises(OSError, match=r"^[A-Za-z ]+$"):
        transport.put(url, b"{}", seconds)
    return time.monotonic() - began


def test_a_put_to_a_name_with_many_dead_addresses_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    every_name_has_many_addresses(monkeypatch)
    with full_listener() as port:
        assert put(response_url(f"name.invalid:{port}", scheme="http"), 0.5) < NO_SIGN_OF_AN_END


def test_a_put_to_a_name_that_is_never_found_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    no_name_is_ever_found(monkeypatch)
    assert put(response_url("name.invalid", scheme="http"), 0.3) < NO_SIGN_OF_AN_END


def test_a_put_tries_the_next_address_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_listener() as dead, serving(200, {}) as bucket:
        port = int(bucket.url.split(":")[2].split("/")[0])
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [(*stream, ("127.0.0.1", dead)), (*stream, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)

        assert PresignedUrls().put(bucket.url, b"{}", 5.0) == 200


@pytest.mark.parametrize(
    "beginning", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n"], ids=["header", "status"]
)
def test_an_answer_that_trickles_before_its_headers_end_is_left_in_time(beginning: bytes) -> None:
    with answering(trickle(beginning)) as port:
        assert put(response_url(f"127.0.0.1:{port}", scheme="http"), 0.3) < NO_SIGN_OF_AN_END


@pytest.mark.parametrize("serve", [trickle, reset_after], ids=["trickles", "is reset"])
@pytest.mark.parametrize("status", [200, 503])
def test_a_status_counts_although_the_body_behind_it_never_comes(
    serve: Callable[[bytes], Callable[[socket.socket], None]], status: int
) -> None:
    head = f"HTTP/1.1 {status} Any\r\nContent-Length: 99999\r\n\r\nabc".encode()
    with answering(serve(head)) as port:
        url = response_url(f"127.0.0.1:{port}", scheme="http")

        assert PresignedUrls().put(url, b"{}", 3.0) == status


def test_no_logger_shows_the_url_of_a_delivery(caplog: pytest.LogCaptureFixture) -> None:
    make_logger()
    caplog.set_level(logging.DEBUG)

    with serving(200, {}) as bucket:
        PresignedUrls().put(bucket.url, b"{}", 5.0)
        logging.getLogger("any").debug("seen")

    assert "seen" in caplog.text
    assert not leaked(caplog.text)
