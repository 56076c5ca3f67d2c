"""Clients whose calls end in time, and what the installed botocore knows."""

import gc
import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, NoRegionError, ReadTimeoutError

from ecr_image_waiter.aws import clients as aws_clients
from ecr_image_waiter.aws.clients import MOST_ANSWER_BYTES, Aws, SystemClock
from ecr_image_waiter.aws.ecr import Registry
from ecr_image_waiter.aws.self_invoke import SelfInvoker
from ecr_image_waiter.core.messages import AnswerTooLarge, HandOverFailed
from ecr_image_waiter.core.model import OWN, AccessDenied, Finding, ImageId, NoRegion, Source, Unavailable
from ecr_image_waiter.telemetry import make_logger
from tests.support.clock import NOW, FakeClock
from tests.support.ecr import no_download
from tests.support.fakes import FUNCTION_ARN, leaked, stack_event
from tests.support.patience import NO_SIGN_OF_AN_END
from tests.support.sockets import (
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


@pytest.mark.parametrize(
    ("network", "seconds"),
    [(dead_addresses, 0.3), (no_addresses, 0.3), (silence, 0.3), (trickling, 0.3), (silence, 0.0), (silence, -1.0)],
)
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

        assert time.monotonic() - began < NO_SIGN_OF_AN_END


def test_a_hand_over_that_nobody_answers_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_listener() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{port}")
        aws = Aws()

        with pytest.raises(HandOverFailed, match=r"ReadTimeoutError.*Lambda could not be reached"):
            SelfInvoker(lambda seconds: aws.client("lambda", seconds)).invoke(FUNCTION_ARN, {}, seconds=0.3)


# --- Regions that do not exist --------------------------------------------------------------------------------------


class Resolver:
    """A resolver that gives each name the same error, and keeps the names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: int = socket.EAI_NONAME) -> None:
        self.names: list[str] = []
        self._error = error
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: str, *_: object, **__: object) -> Any:
        self.names.append(host)
        raise socket.gaierror(self._error, "Name or service not known")


def looked_for(source: Source = OWN, aws: Aws | None = None) -> Finding:
    aws = aws or Aws()
    registry = Registry(aws.ecr_client, aws.repository_uri, SystemClock(), no_download)
    return registry.describe_one(ImageId("team/app", "v1", None), source=source, include_archived=False, seconds=20.0)


@pytest.mark.parametrize(
    ("region", "nearest"),
    [("eu-wset-1", "eu-west-1"), ("cn-nroth-1", "cn-north-1"), ("us-gov-wset-1", "us-gov-west-1")],
)
def test_a_region_whose_host_does_not_exist_is_named_with_the_nearest_of_its_partition(
    region: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Resolver(monkeypatch)

    assert looked_for(Source(region=region)) == NoRegion(region, nearest)
    # Another test may have left a thread behind that asks for names, too.
    assert any(name.startswith(f"api.ecr.{region}.") for name in resolver.names)


def test_a_region_of_the_environment_or_of_an_option_is_no_better_known(monkeypatch: pytest.MonkeyPatch) -> None:
    Resolver(monkeypatch, socket.EAI_NODATA)
    role = Source(role_arn="arn:aws:iam::123456789012:role/reader", session="stack")

    assert looked_for(aws=Aws(region="eu-wset-1")) == NoRegion("eu-wset-1", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-wset-1")
    assert looked_for() == looked_for(role) == NoRegion("eu-wset-1", "eu-west-1")


@pytest.mark.parametrize(
    ("region", "error"), [("eu-west-1", socket.EAI_NONAME), ("eu-wset-1", socket.EAI_AGAIN), ("", socket.EAI_NONAME)]
)
def test_a_known_region_and_a_resolver_that_does_not_answer_are_not_yet(
    region: str, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, error)

    found = looked_for(Source(region=region))

    assert isinstance(found, Unavailable)
    assert found.code == "EndpointConnectionError"


def test_an_unknown_region_whose_host_exists_is_asked_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is newer than the installed botocore."""
    monkeypatch.setattr(Aws, "_nearest_to", lambda *_: pytest.fail("asked which regions there are"))
    with closed_port() as port:
        there = socket.getaddrinfo("127.0.0.1", port)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: there)

        assert isinstance(looked_for(Source(region="eu-new-1")), Unavailable)


Answer = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, str, str]]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Serve something of AWS over HTTP; `answer` returns the status, the type and the content of each answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # http.server's name for it
            status, kind, content = answer(self, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_call_that_fails_is_tried_once_more_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "10")
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    asked: list[bytes] = []

    def fail(_: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, str]:
        asked.append(body)
        return 500, "application/x-amz-json-1.1", "{}"

    with serving(fail) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(ClientError):
            Aws().client("ecr", 30.0).describe_images(repositoryName="ab")

    assert len(asked) == 2


def test_a_service_has_one_client_however_long_its_calls_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[Any] = []

    def answer(asked: BaseHTTPRequestHandler, _: bytes) -> tuple[int, str, str]:
        connections.append(asked.client_address)
        return 200, "application/x-amz-json-1.1", "{}"

    with serving(answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        aws = Aws()
        for seconds in (20.0, 9.0, 30.0):
            aws.client("ecr", seconds).describe_images(repositoryName="ab")

    # A client keeps its connection.
    assert (len(connections), len({*connections})) == (3, 1)


@pytest.mark.parametrize(("region", "suffix"), [("us-gov-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")])
def test_a_repository_is_under_the_dns_suffix_of_its_regions_partition(
    region: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    aws = Aws()

    assert (aws.region, aws.dns_suffix) == (region, suffix)
    assert aws.repository_uri(OWN, "123456789012", "team/app") == f"123456789012.dkr.ecr.{region}.{suffix}/team/app"


def test_without_a_region_there_is_no_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(NoRegionError):
        Aws()


# --- Registries: regions, roles, ECR Public -------------------------------------------------------------------------

ROLE: Final = "arn:aws:iam::210987654321:role/reader"
OTHER_ROLE: Final = "arn:aws:iam::210987654321:role/other"
HOUR: Final = 3600.0
_CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/[0-9]+/([^/]+)/([^/]+)/")


@dataclass(frozen=True)
class Asked:
    """One call: its operation, and by whom it was signed, for which region."""

    operation: str
    key: str
    region: str
    service: str
    token: str = ""


@dataclass
class Cloud:
    """STS and ECR over HTTP, as far as a check goes: it finds no image, and shows who asked.

    `lifetime`: of a role's credentials, in seconds from `clock`'s now. `denied`: the message with which STS refuses.
    `fails`: whether STS has a fault.
    """

    clock: FakeClock
    lifetime: float = HOUR
    denied: str = ""
    fails: bool = False
    asked: list[Asked] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)

    def assumed(self) -> list[str]:
        return [each.operation for each in self.asked if each.service == "sts"]

    def answer(self, asked: BaseHTTPRequestHandler, content: bytes) -> tuple[int, str, str]:
        headers, body = asked.headers, content.decode()
        key, region, service = _CREDENTIAL.search(headers["Authorization"]).groups()  # type: ignore[union-attr]
        token = headers.get("X-Amz-Security-Token", "")
        if service != "sts":
            self.asked.append(Asked(headers["X-Amz-Target"].split(".")[1], key, region, service, token))
            return 400, "application/x-amz-json-1.1", '{"__type": "ImageNotFoundException", "message": "none"}'
        call = {name: values[0] for name, values in parse_qs(body).items()}
        self.asked.append(Asked(f"{call['Action']} {call['RoleArn']}", key, region, service, token))
        self.sessions.append(call["RoleSessionName"])
        if self.fails:
            return 500, "text/xml", ""
        if self.denied:
            error = f"<Type>Sender</Type><Code>AccessDenied</Code><Message>{self.denied}</Message>"
            return 403, "text/xml", f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
        number = len(self.assumed())
        until = datetime.fromtimestamp(self.clock.now() + self.lifetime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = (
            f"<AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>made up</SecretAccessKey>"
            f"<SessionToken>token{number}</SessionToken><Expiration>{until}</Expiration>"
        )
        result = f"<AssumeRoleResult><Credentials>{given}</Credentials></AssumeRoleResult>"
        return 200, "text/xml", f"<AssumeRoleResponse>{result}</AssumeRoleResponse>"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    served = Cloud(FakeClock())
    with serving(served.answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield served


def look(aws: Aws, source: Source, *, seconds: float = 10.0) -> Finding:
    registry = Registry(aws.ecr_client, aws.repository_uri, SystemClock(), no_download)
    return registry.describe_one(
        ImageId("team/app", "v1", None), source=source, include_archived=False, seconds=seconds
    )


def test_a_role_is_assumed_and_ecr_is_asked_with_the_credentials_it_gave(cloud: Cloud) -> None:
    look(Aws(cloud.clock), Source(role_arn=ROLE))

    assert cloud.asked == [
        Asked(f"AssumeRole {ROLE}", "madeup", "eu-west-1", "sts"),
        Asked("DescribeImages", "ASIA1", "eu-west-1", "ecr", "token1"),
    ]


def test_without_a_role_nobody_asks_sts(cloud: Cloud) -> None:
    look(Aws(cloud.clock), Source(region="us-east-1", registry_id="210987654321"))

    assert cloud.asked == [Asked("DescribeImages", "madeup", "us-east-1", "ecr")]


def test_a_role_is_assumed_once_for_all_regions_and_each_has_a_client_of_its_own(cloud: Cloud) -> None:
    aws = Aws(cloud.clock)

    for region in ("us-east-1", "eu-north-1", "", "us-east-1"):
        look(aws, Source(role_arn=ROLE, region=region))

    assert cloud.assumed() == [f"AssumeRole {ROLE}"]
    of_ecr = [(each.region, each.key) for each in cloud.asked if each.service == "ecr"]
    assert of_ecr == [(region, "ASIA1") for region in ("us-east-1", "eu-north-1", "eu-west-1", "us-east-1")]


def test_each_role_and_session_has_credentials_of_its_own_and_is_assumed_under_its_name(cloud: Cloud) -> None:
    aws = Aws(cloud.clock)

    for role, session in ((ROLE, "shop"), (OTHER_ROLE, "shop"), (ROLE, "blog"), (ROLE, "shop"), ("", "shop")):
        look(aws, Source(role_arn=role, session=session))

    assert cloud.assumed() == [f"AssumeRole {role}" for role in (ROLE, OTHER_ROLE, ROLE)]
    assert cloud.sessions == ["shop", "shop", "blog"]
    of_ecr = [each.key for each in cloud.asked if each.service == "ecr"]
    assert of_ecr == ["ASIA1", "ASIA2", "ASIA3", "ASIA1", "madeup"]


def clients() -> int:
    gc.collect()
    return sum(isinstance(each, BaseClient) for each in gc.get_objects())


def test_a_process_that_serves_stack_after_stack_keeps_few_clients_and_the_credentials_used_last(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_clients, "_MOST_KEPT", 4)
    aws, before = Aws(cloud.clock), clients()

    for number in range(6):
        look(aws, Source(role_arn=ROLE, session=f"stack-{number}"))
        look(aws, Source(role_arn=ROLE, session="stack-0"))

    assert clients() - before <= 4
    assert len(cloud.sessions) == 6, "those in use stay"
    look(aws, Source(role_arn=ROLE, session="stack-5"))
    assert len(cloud.sessions) == 6
    look(aws, Source(role_arn=ROLE, session="stack-1"))
    assert len(cloud.sessions) == 7, "and those of long ago do not"


def test_the_twenty_roles_of_one_wait_are_assumed_once_each(cloud: Cloud) -> None:
    aws = Aws(cloud.clock)

    for _ in range(2):
        for number in range(20):
            look(aws, Source(role_arn=f"{ROLE}{number}"))

    assert len(cloud.sessions) == 20


@pytest.mark.parametrize(("age", "times"), [(HOUR - 1000, 1), (HOUR - 999, 2), (2 * HOUR, 2)])
def test_a_role_is_assumed_again_when_its_credentials_have_less_than_a_thousand_seconds_left(
    cloud: Cloud, age: float, times: int
) -> None:
    aws = Aws(cloud.clock)
    look(aws, Source(role_arn=ROLE))

    cloud.clock.time = NOW + age
    look(aws, Source(role_arn=ROLE))

    assert len(cloud.assumed()) == times
    assert cloud.asked[-1].key == f"ASIA{times}"


def test_credentials_that_last_no_thousand_seconds_serve_all_the_same(cloud: Cloud) -> None:
    """A role's shortest session is of 900 s (STS API Reference); then each check asks for new ones."""
    cloud.lifetime = 900.0
    aws = Aws(cloud.clock)

    for _ in range(2):
        look(aws, Source(role_arn=ROLE))

    assert [each.key for each in cloud.asked] == ["madeup", "ASIA1", "madeup", "ASIA2"]


def test_a_role_that_may_not_be_assumed_is_access_denied_and_names_the_action(cloud: Cloud) -> None:
    cloud.denied = (
        "User: arn:aws:sts::123456789012:assumed-role/waiter-role/function is not authorized to perform: "
        f"sts:AssumeRole on resource: {ROLE}"
    )
    aws = Aws(cloud.clock)

    assert look(aws, Source(role_arn=ROLE)) == AccessDenied("AccessDenied", cloud.denied)
    assert cloud.assumed() == [f"AssumeRole {ROLE}"], "and a refusal is not tried again"

    cloud.denied = ""
    look(aws, Source(role_arn=ROLE))
    assert cloud.asked[-1].key == "ASIA2", "nor kept"


def test_sts_that_fails_is_not_yet(cloud: Cloud) -> None:
    cloud.fails = True

    assert isinstance(look(Aws(cloud.clock), Source(role_arn=ROLE)), Unavailable)


def test_assuming_a_role_and_a_call_have_half_the_time_each(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    bounded = aws_clients._TimedClient

    def noted(client: Any, seconds: float, nearest: Any) -> Any:
        given.append(seconds)
        return bounded(client, seconds, nearest)

    monkeypatch.setattr(aws_clients, "_TimedClient", noted)

    Aws(cloud.clock).ecr_client(Source(role_arn=ROLE), seconds=20.0)

    assert len(cloud.asked) == 1
    assert given == [10.0, 10.0]


def test_ecr_public_is_asked_in_the_one_region_that_has_its_api(cloud: Cloud) -> None:
    public = Source(region="us-east-1", host="public.ecr.aws", alias="shop")
    aws = Aws(cloud.clock)

    for source in (public, Source(region="eu-west-1", alias="shop"), Source(alias="shop", role_arn=ROLE)):
        look(aws, source)

    asked = [(each.operation, each.service, each.region, each.key) for each in cloud.asked if each.service != "sts"]
    assert asked == [("DescribeRegistries", "ecr-public", "us-east-1", key) for key in ("madeup", "madeup", "ASIA1")]


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        (OWN, "210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/app"),
        (Source(region="us-east-1"), "210987654321.dkr.ecr.us-east-1.amazonaws.com/team/app"),
        (Source(host="210987654321.dkr-ecr.eu-west-1.on.aws"), "210987654321.dkr-ecr.eu-west-1.on.aws/team/app"),
        (Source(region="us-east-1", host="public.ecr.aws", alias="shop"), "public.ecr.aws/shop/team/app"),
    ],
)
def test_a_repository_is_called_as_the_template_does_or_else_by_account_and_region(source: Source, uri: str) -> None:
    assert Aws().repository_uri(source, "210987654321", "team/app") == uri


# --- Handing over, over HTTP ---------------------------------------------------------------------------------------


def hand_over(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str | None, bytes]:
    """Hand an event over, and return the path, the kind and the body of the one call of Lambda."""
    received: list[tuple[str, str | None, bytes]] = []

    def take(asked: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, str]:
        received.append((asked.path, asked.headers["X-Amz-Invocation-Type"], body))
        return 202, "application/json", ""

    with serving(take) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        aws = Aws()
        SelfInvoker(lambda seconds: aws.client("lambda", seconds)).invoke(FUNCTION_ARN, stack_event(), seconds=5.0)
    (call,) = received
    return call


def test_a_hand_over_arrives_as_an_asynchronous_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    path, kind, body = hand_over(monkeypatch)

    assert path.startswith("/2015-03-31/functions/arn%3Aaws%3Alambda%3A")
    assert (kind, json.loads(body)) == ("Event", stack_event())


def test_a_hand_over_shows_nothing_of_the_response_url_to_any_logger(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Lambda sets the root logger to the level of the function's LoggingConfig, which may be DEBUG."""
    make_logger()
    caplog.set_level(logging.DEBUG)

    hand_over(monkeypatch)

    logging.getLogger("any").debug("seen")
    assert "seen" in caplog.text
    assert not leaked(caplog.text)


# --- How much of an answer is read


@dataclass
class Sender:
    """Answers each connection with a document of so many bytes, in pieces, and counts what is taken of it."""

    size: int
    head: bytes
    sent: int = 0
    connections: int = 0

    def __call__(self, connection: socket.socket) -> None:
        self.connections += 1
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + self.head + b"\r\n\r\n")
        chunked = b"chunked" in self.head
        left = self.size
        while left:
            piece = b" " * min(left, 65_536)
            piece = b"{}" + piece[2:] if left == self.size else piece
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            self.sent += len(piece)
            left -= len(piece)
        connection.sendall(b"0\r\n\r\n" if chunked else b"")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):  # or what is still unread would reset the connection
            pass


def asked(sender: Sender) -> Any:
    with answering(sender) as port:
        return Aws(endpoint_url=f"http://127.0.0.1:{port}").client("codebuild", 9.0).batch_get_builds(ids=["a"])


@pytest.mark.parametrize("head", [b"Content-Length: %d", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_an_answer_is_read_up_to_two_megabytes_and_no_further(head: bytes) -> None:
    just = Sender(MOST_ANSWER_BYTES, head.replace(b"%d", b"%d" % MOST_ANSWER_BYTES))
    endless = Sender(1 << 30, head.replace(b"%d", b"%d" % (1 << 30)))

    assert asked(just)["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(AnswerTooLarge):
        asked(endless)

    assert endless.sent < 4 * MOST_ANSWER_BYTES + 8_000_000, "what lies in buffers of the system is no memory of ours"
    assert endless.connections == 1, "it is not asked for again: it would be no smaller"


def test_an_answer_that_breaks_off_is_asked_for_once_more_like_any_fault() -> None:
    served = 0

    def serve(connection: socket.socket) -> None:
        nonlocal served
        served += 1
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"2\r\n{}\r\n0\r\n\r\n" if served > 1 else b"ff\r\n{")

    with answering(serve) as port:
        client = Aws(endpoint_url=f"http://127.0.0.1:{port}").client("ecr", 9.0)
        assert client.describe_images(repositoryName="app")["ResponseMetadata"]["HTTPStatusCode"] == 200

    assert served == 2
