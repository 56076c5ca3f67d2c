"""Clients whose calls end in time, and what the installed botocore knows."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import botocore.session
import pytest
from botocore.exceptions import ClientError, NoRegionError, ReadTimeoutError

from ecr_image_waiter.aws import Aws
from ecr_image_waiter.continuation import HandOver
from ecr_image_waiter.errors import HandOverFailed
from ecr_image_waiter.findings import OWN
from ecr_image_waiter.logs import make_logger
from tests.fakes import FUNCTION_ARN, leaked, stack_event
from tests.sockets import (
    answering,
    closed_port,
    every_name_has_many_addresses,
    full_listener,
    no_name_is_ever_found,
    silent_listener,
    trickle,
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "madeup",
        "AWS_SECRET_ACCESS_KEY": "madeup",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


MARGIN = 1.0
"""What a busy machine may add to a call's seconds. Far less than what any of these takes without its deadline."""


def dead_addresses(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[int]:
    every_name_has_many_addresses(monkeypatch)
    return full_listener()


def no_addresses(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[int]:
    no_name_is_ever_found(monkeypatch)
    return closed_port()


def silence(_: pytest.MonkeyPatch) -> AbstractContextManager[int]:
    return silent_listener()


def trickling(_: pytest.MonkeyPatch) -> AbstractContextManager[int]:
    return answering(trickle(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"))


@pytest.mark.parametrize("network", [dead_addresses, no_addresses, silence, trickling])
@pytest.mark.parametrize("seconds", [0.3, 0.0, -1.0])
def test_no_call_takes_longer_than_it_may_and_its_end_is_a_read_time_out(
    network: Callable[[pytest.MonkeyPatch], AbstractContextManager[int]],
    seconds: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with network(monkeypatch) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://name.invalid:{port}")
        if network in (silence, trickling):
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        aws = Aws()
        client = aws.client("ecr", seconds)  # making it takes a while, and is done once
        began = time.monotonic()

        with pytest.raises(ReadTimeoutError):
            client.describe_images(repositoryName="ab")

        assert time.monotonic() - began < max(seconds, 0.0) + MARGIN


def test_a_hand_over_that_nobody_answers_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_listener() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{port}")
        aws = Aws()

        with pytest.raises(HandOverFailed, match=r"ReadTimeoutError.*Lambda could not be reached"):
            HandOver(lambda seconds: aws.client("lambda", seconds)).to(FUNCTION_ARN, {}, seconds=0.3)


class CountingServer(ThreadingHTTPServer):
    """Something of AWS over HTTP that answers every question in the same way, and counts."""

    status = 200
    requests = 0
    connections = 0


@pytest.fixture
def counting_server() -> Iterator[CountingServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            server.connections += 1
            super().setup()

        def do_POST(self) -> None:  # the name http.server looks for
            server.requests += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(server.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with CountingServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("given", [{}, {"AWS_MAX_ATTEMPTS": "10", "AWS_RETRY_MODE": "legacy"}], ids=["plain", "many"])
def test_a_call_that_fails_is_tried_once_more_whatever_the_environment_says(
    given: dict[str, str], counting_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{counting_server.server_port}")
    counting_server.status = 500

    with pytest.raises(ClientError):
        Aws().client("ecr", 30.0).describe_images(repositoryName="ab")

    assert counting_server.requests == 2


def test_a_service_has_one_client_however_long_its_calls_may_take(
    counting_server: CountingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{counting_server.server_port}")
    aws = Aws()

    for seconds in (20.0, 9.0, 30.0):
        aws.client("ecr", seconds).describe_images(repositoryName="ab")

    # A client keeps its connection.
    assert (counting_server.requests, counting_server.connections) == (3, 1)


@pytest.mark.parametrize(
    ("region", "suffix"),
    [
        ("eu-west-1", "amazonaws.com"),
        ("us-gov-west-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("cn-northwest-1", "amazonaws.com.cn"),
    ],
)
def test_a_repository_is_under_the_dns_suffix_of_its_regions_partition(
    region: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    aws = Aws()

    assert (aws.region, aws.dns_suffix) == (region, suffix)
    assert aws.repository_uri(OWN, "123456789012", "team/app") == f"123456789012.dkr.ecr.{region}.{suffix}/team/app"


def test_without_a_region_there_is_nowhere_to_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(NoRegionError):
        Aws()


# --- botocore's model -----------------------------------------------------------------------------------------------


def test_botocore_knows_what_is_asked_of_ecr() -> None:
    describe = botocore.session.get_session().get_service_model("ecr").operation_model("DescribeImages")

    asked = describe.input_shape.members
    described = describe.output_shape.members["imageDetails"].member.members
    assert {"repositoryName", "imageIds", "filter", "maxResults"} <= asked.keys()
    assert asked["maxResults"].metadata["max"] == 1000
    assert "ANY" in asked["filter"].members["imageStatus"].enum
    assert {"ARCHIVED", "ACTIVATING"} <= set(described["imageStatus"].enum)
    assert {"imageDigest", "registryId", "imageTags", "imagePushedAt", "imageSizeInBytes"} <= described.keys()
    assert "imageManifestMediaType" in described
    errors = {shape.name for shape in describe.error_shapes}
    assert {"ImageNotFoundException", "RepositoryNotFoundException"} <= errors


def test_botocore_knows_what_is_asked_of_lambda() -> None:
    invoke = botocore.session.get_session().get_service_model("lambda").operation_model("Invoke")

    assert {"FunctionName", "InvocationType", "Payload"} <= invoke.input_shape.members.keys()
    assert "Event" in invoke.input_shape.members["InvocationType"].enum


# --- The hand-over, over HTTP ---------------------------------------------------------------------------------------


class LambdaServer(ThreadingHTTPServer):
    """Lambda's Invoke over HTTP: it takes everything and keeps it."""

    received: list[tuple[str, str, bytes]]


@pytest.fixture
def lambda_server() -> Iterator[LambdaServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name http.server looks for
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.received.append((self.path, self.headers["X-Amz-Invocation-Type"], body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with LambdaServer(("127.0.0.1", 0), Handler) as server:
        server.received = []
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def hand_over(server: LambdaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    aws = Aws()
    HandOver(lambda seconds: aws.client("lambda", seconds)).to(FUNCTION_ARN, stack_event(), seconds=5.0)


def test_a_hand_over_arrives_as_an_asynchronous_invocation(
    lambda_server: LambdaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(lambda_server, monkeypatch)

    ((path, kind, body),) = lambda_server.received
    assert path.startswith("/2015-03-31/functions/arn%3Aaws%3Alambda%3A")
    assert (kind, json.loads(body)) == ("Event", stack_event())


def test_a_hand_over_shows_nothing_of_the_response_url_to_any_logger(
    lambda_server: LambdaServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Lambda sets the root logger to the level of the function's LoggingConfig, which may be DEBUG."""
    make_logger()
    caplog.set_level(logging.DEBUG)

    hand_over(lambda_server, monkeypatch)

    logging.getLogger("any").debug("seen")
    assert "seen" in caplog.text
    assert not leaked(caplog.text)
