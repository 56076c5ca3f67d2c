"""Clients whose calls end in time, and what the installed botocore knows."""

import json
import logging
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import botocore.session
import pytest

from ecr_image_waiter.aws import Aws
from ecr_image_waiter.continuation import HandOver
from ecr_image_waiter.errors import HandOverFailed
from ecr_image_waiter.logs import make_logger
from tests.fakes import FUNCTION_ARN, leaked, stack_event


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


def longest_call(client: Any) -> float:
    """Return how long a call takes at worst: each attempt connects and reads for all its time, each retry pauses."""
    config = client.meta.config
    attempts = config.retries["total_max_attempts"]
    # Standard mode pauses for at most 1 s before the first retry and 2 s before the second.
    pauses = sum(2**retry for retry in range(attempts - 1))
    return float(attempts * (config.connect_timeout + config.read_timeout) + pauses)


@pytest.mark.parametrize("service", ["ecr", "lambda"])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.6, 3.9, 4.0, 5.0, 8.9, 9.0, 450.0, float("inf")])
def test_no_call_takes_longer_than_it_may(service: str, seconds: float) -> None:
    assert longest_call(Aws().client(service, seconds)) <= seconds


@pytest.mark.parametrize("seconds", [0.4, 0.0, -3.0])
def test_with_no_time_left_a_call_takes_half_a_second_at_most(seconds: float) -> None:
    assert longest_call(Aws().client("ecr", seconds)) <= 0.5


def test_retries_in_the_environment_do_not_lengthen_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "10")
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")

    client = Aws().client("ecr", 9.0)

    assert longest_call(client) <= 9.0
    assert client.meta.config.retries["mode"] == "standard"


def test_a_call_to_a_port_that_never_answers_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{listener.getsockname()[1]}")
        aws = Aws()
        client = aws.client("lambda", 0.5)
        began = time.monotonic()

        with pytest.raises(HandOverFailed, match="ReadTimeoutError"):
            HandOver(lambda _: client).to(FUNCTION_ARN, {}, seconds=0.5)

    assert time.monotonic() - began < 0.5 + 0.3  # a busy machine's margin


def test_a_long_function_makes_one_client_for_each_service() -> None:
    aws = Aws()

    # Of 900 s, half at most and an eighth of the slice's reserve of 30 s at least is left for a call.
    clients = {aws.client("ecr", seconds) for seconds in (450.0, 225.0, 60.0, 14.75, 9.0)}

    assert len(clients) == 1
    assert aws.client("lambda", 14.75) not in clients


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
    assert aws.repository_uri("123456789012", "team/app") == f"123456789012.dkr.ecr.{region}.{suffix}/team/app"


def test_without_a_region_clients_look_where_the_names_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    aws = Aws()

    assert aws.client("ecr", 9.0).meta.region_name == aws.region


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
