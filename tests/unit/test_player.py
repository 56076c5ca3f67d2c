"""The player refuses what CloudFormation refuses, and follows up as CloudFormation does."""

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ecr_image_waiter.errors import DeliveryFailed
from ecr_image_waiter.response import Courier, Urllib3Transport
from sandbox.player import CANARIES, CloudFormation, Delay, Event, Fault, Operation, Put, Reset, Status, Verdict
from sandbox.player_server import Player
from tests.simulation import EPOCH, FakeClock

PROPERTIES = {"RepositoryName": "team/app", "ImageTag": "v1"}


class Stage:
    """The rules with a fake clock and a function that only takes notes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.cloudformation = CloudFormation(lambda operation: self.events.append(operation.event), self.clock)

    def create(self, **properties: Any) -> Operation:
        return self.cloudformation.create({**PROPERTIES, **properties})

    def put(self, operation: Operation, body: bytes | None = None, **changes: Any) -> Verdict:
        """Send a PUT as the function would, but for `changes`."""
        url = urlsplit(operation.event["ResponseURL"])
        put = {
            "method": "PUT",
            "target": f"{url.path}?{url.query}",
            "headers": {"Content-Type": ""},
            "body": answer(operation) if body is None else body,
            "at": self.clock.now(),
        }
        return self.cloudformation.receive(Put(**{**put, **changes}))


def answer(operation: Operation, leave_out: str = "", **changes: Any) -> bytes:
    event = operation.event
    body = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId", "the-id"),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        **changes,
    }
    body.pop(leave_out, None)
    return json.dumps(body).encode()


@pytest.fixture
def stage() -> Stage:
    return Stage()


# --- events


def test_the_response_url_looks_like_the_presigned_one(stage: Stage) -> None:
    event = stage.create().event
    url = urlsplit(event["ResponseURL"])
    assert url.scheme == "https"
    assert url.netloc == "cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com"
    uuid = "[0-9a-f-]{36}"
    assert re.fullmatch(
        rf"/arn%3Aaws%3Acloudformation%3Aus-east-1%3A123456789012%3Astack/consumer/{uuid}%7CImage%7C{uuid}", url.path
    )
    query = parse_qs(url.query, strict_parsing=True)
    assert query == {
        "X-Amz-Algorithm": ["AWS4-HMAC-SHA256"],
        "X-Amz-Date": ["20270115T080000Z"],
        "X-Amz-SignedHeaders": ["host"],
        "X-Amz-Expires": ["7200"],
        "X-Amz-Credential": [f"{CANARIES[0]}/20270115/us-east-1/s3/aws4_request"],
        "X-Amz-Signature": [CANARIES[1] * 4],
    }


def test_every_canary_is_in_the_url_and_nowhere_else_in_the_event(stage: Stage) -> None:
    event = stage.create().event
    url = event.pop("ResponseURL")
    for canary in CANARIES:
        assert canary in url
        assert canary not in json.dumps(event)


def test_properties_arrive_as_strings_at_any_depth(stage: Stage) -> None:
    event = stage.create(MaxRetries=5, BackoffRate=1.5, WaitForRepository=True, Nested={"list": [1, False]}).event
    properties = event["ResourceProperties"]
    assert (properties["MaxRetries"], properties["BackoffRate"]) == ("5", "1.5")
    assert properties["WaitForRepository"] == "true"
    assert properties["Nested"] == {"list": ["1", "false"]}


def test_service_timeout_stands_in_both_places_when_it_is_given_and_in_none_when_not(stage: Stage) -> None:
    given, not_given = stage.create(ServiceTimeout=60).event, stage.create().event
    assert given["ServiceTimeout"] == given["ResourceProperties"]["ServiceTimeout"] == "60"
    assert "ServiceTimeout" not in not_given
    assert "ServiceTimeout" not in not_given["ResourceProperties"]


def test_an_update_carries_the_id_and_the_old_properties_and_a_delete_the_id(stage: Stage) -> None:
    create = stage.create()
    assert "PhysicalResourceId" not in create.event
    stage.put(create)
    update = stage.cloudformation.update(create.resource, {**PROPERTIES, "ImageTag": "v2"})
    assert update.event["PhysicalResourceId"] == "the-id"
    assert update.event["ResourceProperties"]["ImageTag"] == "v2"
    assert update.event["OldResourceProperties"]["ImageTag"] == "v1"
    assert update.event["StackId"] == create.event["StackId"]
    assert update.event["RequestId"] != create.event["RequestId"]
    stage.put(update)
    delete = stage.cloudformation.delete(create.resource)
    assert (delete.event["PhysicalResourceId"], delete.event["ResourceProperties"]["ImageTag"]) == ("the-id", "v2")


# --- what S3 refuses: the operation goes on


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "POST"}, "method POST"),
        ({"headers": {"content-type": "application/json"}}, "Content-Type application/json"),
        ({"at": EPOCH + 7200}, "expired"),
    ],
)
def test_s3_refuses_with_403_and_the_operation_goes_on(stage: Stage, changes: dict[str, Any], reason: str) -> None:
    create = stage.create()
    verdict = stage.put(create, **changes)
    assert verdict.status == 403
    assert reason in (verdict.refusal or "")
    assert create.outcome is None
    assert stage.put(create).refusal is None


def test_a_url_with_another_query_is_refused(stage: Stage) -> None:
    create = stage.create()
    path = urlsplit(create.event["ResponseURL"]).path
    assert stage.put(create, target=path).status == 403
    assert stage.put(create, target=f"{path}?X-Amz-Signature=guess").status == 403
    assert create.outcome is None


def test_a_url_of_nobody_is_refused(stage: Stage) -> None:
    assert stage.put(stage.create(), target="/elsewhere").status == 403


@pytest.mark.parametrize("headers", [{}, {"Content-Type": ""}])
def test_no_content_type_and_an_empty_one_are_fine(stage: Stage, headers: dict[str, str]) -> None:
    create = stage.create()
    assert stage.put(create, headers=headers).refusal is None
    assert create.outcome
    assert create.outcome.status == "SUCCESS"


# --- what CloudFormation refuses: the operation fails


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(lambda o: answer(o, Data={"x": "y" * 4096}), "allowed: 4096", id="too long"),
        pytest.param(lambda o: answer(o, PhysicalResourceId=""), "Invalid PhysicalResourceId", id="empty id"),
        pytest.param(lambda o: answer(o, PhysicalResourceId="x" * 1025), "Invalid PhysicalResourceId", id="long id"),
        pytest.param(lambda o: answer(o, PhysicalResourceId="é" * 513), "Invalid PhysicalResourceId", id="id in bytes"),
        pytest.param(lambda o: answer(o, PhysicalResourceId=7), "missing: PhysicalResourceId", id="id no string"),
        *(
            pytest.param(lambda o, field=field: answer(o, field), f"missing: {field}", id=f"no {field}")
            for field in ("Status", "PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId")
        ),
        *(
            pytest.param(lambda o, field=field: answer(o, **{field: "other"}), f"own: {field}", id=f"wrong {field}")
            for field in ("StackId", "RequestId", "LogicalResourceId")
        ),
        pytest.param(lambda o: answer(o, Status="DONE"), "Status DONE", id="unknown status"),
        pytest.param(lambda o: answer(o, Status="FAILED"), "missing: Reason", id="no Reason"),
        pytest.param(lambda o: answer(o, Status="FAILED", Reason=""), "missing: Reason", id="empty Reason"),
        pytest.param(lambda o: answer(o, Data={"a": {"b": "c"}}), "not flat", id="nested map"),
        pytest.param(lambda o: answer(o, Data={"a": ["b"]}), "not flat", id="nested list"),
        pytest.param(lambda o: answer(o, Data=["a"]), "not flat", id="Data no object"),
        pytest.param(lambda _: b"", "malformed", id="empty body"),
        pytest.param(lambda _: b'{"Status": ', "malformed", id="half a body"),
        pytest.param(lambda _: b"[]", "malformed", id="no object"),
        pytest.param(lambda _: b"\xff\xfe", "malformed", id="no text"),
    ],
)
def test_cloudformation_refuses_and_fails_the_operation(
    stage: Stage, body: Callable[[Operation], bytes], reason: str
) -> None:
    create = stage.create()
    verdict = stage.put(create, body(create))
    assert verdict.status == 200  # S3 does not know better
    assert reason in (verdict.refusal or "")
    assert create.outcome
    assert (create.outcome.status, create.outcome.by) == ("FAILED", "refused answer")
    assert reason in create.outcome.reason


def test_the_largest_answer_and_the_longest_id_are_taken(stage: Stage) -> None:
    create = stage.create()
    empty = len(answer(create, PhysicalResourceId="x" * 1024, Data={"x": ""}))
    body = answer(create, PhysicalResourceId="x" * 1024, Data={"x": "y" * (4096 - empty)})
    assert len(body) == 4096
    assert stage.put(create, body).refusal is None
    other = stage.create()
    assert stage.put(other, body + b" ").refusal == "4097 bytes, allowed: 4096"


def test_an_answer_after_service_timeout_is_refused_and_the_operation_has_failed(stage: Stage) -> None:
    create = stage.create(ServiceTimeout=60)
    stage.clock.advance(60)
    verdict = stage.put(create)
    assert (verdict.status, verdict.refusal) == (200, "after ServiceTimeout")
    assert create.outcome
    assert (create.outcome.status, create.outcome.by) == ("FAILED", "time-out")


def test_an_answer_just_before_service_timeout_is_taken(stage: Stage) -> None:
    create = stage.create(ServiceTimeout=60)
    stage.clock.advance(59.9)
    assert stage.put(create).refusal is None


def test_service_timeout_is_an_hour_by_default(stage: Stage) -> None:
    create = stage.create()
    assert create.deadline == create.sent + 3600


# --- what follows


def test_the_first_accepted_answer_wins_and_later_ones_are_kept_and_ignored(stage: Stage) -> None:
    create = stage.create()
    stage.put(create, answer(create, Data={"a": "first"}))
    later = stage.put(create, answer(create, Status="FAILED", Reason="second"))
    assert later.refusal is None
    assert create.outcome
    assert (create.outcome.status, create.outcome.data) == ("SUCCESS", {"a": "first"})
    assert [attempt.counted for attempt in create.attempts] == [True, False]
    assert len(create.accepted) == 2
    assert create.follow_up is None


def test_a_failed_create_is_followed_by_a_delete_with_the_id_of_the_answer(stage: Stage) -> None:
    create = stage.create()
    stage.put(create, answer(create, Status="FAILED", Reason="no", PhysicalResourceId="failed-id"))
    delete = create.follow_up
    assert delete
    assert delete.kind == "Delete"
    assert delete.event["PhysicalResourceId"] == "failed-id"
    assert delete.event["ResourceProperties"]["ImageTag"] == "v1"
    assert stage.events == [create.event, delete.event]


def test_a_create_that_timed_out_is_followed_by_a_delete_with_a_made_up_id(stage: Stage) -> None:
    create = stage.create(ServiceTimeout=60)
    stage.clock.advance(60)
    stage.cloudformation.expire()
    assert create.follow_up
    assert re.fullmatch(r"consumer-Image-[0-9A-F]{12}", create.follow_up.event["PhysicalResourceId"])


def test_an_update_that_changes_the_id_is_followed_by_a_delete_of_the_old_one(stage: Stage) -> None:
    create = stage.create()
    stage.put(create)
    update = stage.cloudformation.update(create.resource, {**PROPERTIES, "ImageTag": "v2"})
    stage.put(update, answer(update, PhysicalResourceId="new-id"))
    delete = update.follow_up
    assert delete
    assert (delete.event["PhysicalResourceId"], delete.event["ResourceProperties"]["ImageTag"]) == ("the-id", "v1")
    assert create.resource.physical_id == "new-id"


def test_an_update_that_keeps_the_id_or_fails_is_followed_by_nothing(stage: Stage) -> None:
    create = stage.create()
    stage.put(create)
    kept = stage.cloudformation.update(create.resource, PROPERTIES)
    stage.put(kept)
    failed = stage.cloudformation.update(create.resource, PROPERTIES)
    stage.put(failed, answer(failed, Status="FAILED", Reason="no"))
    assert kept.follow_up is None
    assert failed.follow_up is None


def test_a_cancelled_create_gets_its_delete_while_its_own_answer_no_longer_counts(stage: Stage) -> None:
    create = stage.create()
    delete = stage.cloudformation.cancel(create)
    assert delete.event["PhysicalResourceId"] != "the-id"
    stage.put(create)
    assert create.outcome
    assert (create.outcome.status, create.outcome.by) == ("FAILED", "cancellation")
    with pytest.raises(ValueError, match="under way"):
        stage.cloudformation.cancel(create)


def test_waiting_for_an_answer_that_does_not_come_ends_by_itself(stage: Stage) -> None:
    with pytest.raises(TimeoutError):
        stage.create().wait(0)
    create = stage.create(ServiceTimeout=1)
    stage.clock.advance(1)
    assert create.wait(60).by == "time-out"


# --- the server


class Function:
    """Answers each event from the thread that invokes it, by the waiter's own transport and courier."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.attempts: list[int] = []
        self.failures: list[str] = []
        self.done = threading.Event()

    def __call__(self, event: Event) -> None:
        body = json.dumps(
            {
                "Status": "SUCCESS",
                "PhysicalResourceId": "the-id",
                **{key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")},
            }
        ).encode()
        try:
            self.attempts.append(
                Courier(Urllib3Transport(), self.clock).deliver(event["ResponseURL"], body, self.clock.now() + 60)
            )
        except DeliveryFailed as failure:
            self.failures.append(str(failure))
        self.done.set()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("faults", "attempts"),
    [([], 1), ([Status(503), Status(503)], 3), ([Reset(), Reset()], 3), ([Reset(), Status(503), Delay(2.0)], 3)],
)
def test_an_answer_arrives_over_http_and_https_whatever_the_script(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, *, tls: bool, faults: list[Fault], attempts: int
) -> None:
    function = Function()
    with Player(function, FakeClock(), tls=tls) as player:
        ca = tmp_path / "ca.pem"
        ca.write_bytes(player.ca_pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        create = player.create(PROPERTIES, faults=faults)
        assert create.event["ResponseURL"].startswith("https://127.0.0.1:" if tls else "http://127.0.0.1:")
        assert create.wait(20).status == "SUCCESS"
        assert function.done.wait(20)
    assert function.attempts == [attempts]
    refused = [attempt.verdict.status for attempt in create.attempts if attempt.verdict.refusal]
    assert refused == [fault.code if isinstance(fault, Status) else 0 for fault in faults[:2]]


def test_a_delay_lasts_on_the_clock_that_was_handed_in() -> None:
    clock = FakeClock()
    with Player(Function(), clock) as player:
        assert player.create(PROPERTIES, faults=[Delay(30.0)]).wait(20).at == EPOCH + 30
    assert clock.sleeps == [(EPOCH, EPOCH + 30)]


def test_a_403_by_script_is_what_the_function_gets() -> None:
    function = Function()
    with Player(function) as player:
        create = player.create(PROPERTIES, faults=[Status(403)])
        assert function.done.wait(20)
    assert "403" in function.failures[0]
    assert create.outcome is None


def test_a_reset_is_a_reset_and_no_orderly_end() -> None:
    with Player(lambda _: None) as player:
        url = urlsplit(player.create(PROPERTIES, faults=[Reset()]).event["ResponseURL"])
        with socket.create_connection(("127.0.0.1", url.port), 5) as connection:
            connection.sendall(f"PUT {url.path}?{url.query} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode())
            with pytest.raises(ConnectionResetError):
                connection.recv(100)


def test_many_operations_at_once_each_get_their_own_answer() -> None:
    with Player(Function()) as player, ThreadPoolExecutor(16) as threads:
        creates = list(threads.map(lambda n: player.create(PROPERTIES, logical_id=f"Image{n}"), range(40)))
        assert {create.wait(20).status for create in creates} == {"SUCCESS"}
    assert [len(create.attempts) for create in creates] == [1] * 40


def test_the_server_prints_nothing_whatever_comes(capfd: pytest.CaptureFixture[str]) -> None:
    with Player(lambda _: None, tls=True) as player:
        url = player.create(PROPERTIES).event["ResponseURL"]
        port = urlsplit(url).port
        for rubbish in (b"not TLS at all\r\n\r\n", b""):
            # The server may well have hung up by then.
            with socket.create_connection(("127.0.0.1", port), 5) as connection, suppress(OSError):
                connection.sendall(rubbish)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(100)
        with (
            socket.create_connection(("127.0.0.1", port), 5) as connection,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")

    with Player(lambda _: None) as player:
        url = player.create(PROPERTIES, faults=[Reset()]).event["ResponseURL"]
        for request in (f"GET {url} HTTP/1.1\r\n\r\n", f"BREW {url} HTTP/1.1\r\n\r\n", "PUT\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", urlsplit(url).port), 5) as connection, suppress(OSError):
                connection.sendall(request.encode())
                connection.shutdown(socket.SHUT_WR)
                connection.recv(100)
    assert capfd.readouterr() == ("", "")


def test_the_certificate_is_signed_by_the_authority_to_trust() -> None:
    with Player(Function(), tls=True) as player:
        context = ssl.create_default_context(cadata=player.ca_pem.decode())
        port = urlsplit(player.create(PROPERTIES).event["ResponseURL"]).port
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            assert secure.version() == "TLSv1.3"
