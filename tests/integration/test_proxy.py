"""The proxy does to a call what its rules say, as boto3 sees it, and nothing to any other."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from moto.server import ThreadedMotoServer
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ProtocolError

from sandbox.proxy import Effect, Proxy, Rule, delay, deny, drop, fail, late, pad, throttle
from tests.waiting import eventually


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def proxy(moto: str) -> Iterator[Proxy]:
    with Proxy(moto) as proxy:
        yield proxy


def client(service: str, proxy: Proxy) -> Any:
    return boto3.client(service, endpoint_url=proxy.url, config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def ecr(proxy: Proxy) -> Iterator[Any]:
    ecr = client("ecr", proxy)
    for name in ("app-3", "app-30"):
        ecr.create_repository(repositoryName=name)
    yield ecr
    for name in ("app-3", "app-30"):
        ecr.delete_repository(repositoryName=name)
    ecr.close()


def images(ecr: Any, repository: str = "app-3") -> list[Any]:
    found: list[Any] = ecr.describe_images(repositoryName=repository)["imageDetails"]
    return found


def refused(ecr: Any, repository: str = "app-3") -> bool:
    try:
        images(ecr, repository)
    except ClientError:
        return True
    return False


def rule(effect: Effect, **options: Any) -> Rule:
    return Rule("ecr:DescribeImages", effect, **options)


DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/waiter-role/function is not authorized to perform: "
    "ecr:DescribeImages on resource: arn:aws:ecr:us-east-1:123456789012:repository/app-3 because no "
    "identity-based policy allows the ecr:DescribeImages action"
)


@pytest.mark.parametrize(
    ("effect", "seen"),
    [
        (throttle(), (400, "ThrottlingException", "Rate exceeded")),
        (throttle("ThrottleException"), (400, "ThrottleException", "Rate exceeded")),
        (fail(), (500, "ServerException", "An internal failure has occurred.")),
        (fail("ServiceUnavailable", 503), (503, "ServiceUnavailable", "An internal failure has occurred.")),
        (deny(), (400, "AccessDeniedException", DENIED)),
    ],
    ids=["throttling", "throttle", "fail", "unavailable", "deny"],
)
def test_a_refused_call_ends_in_the_error_that_aws_would_send(
    proxy: Proxy, ecr: Any, effect: Effect, seen: tuple[int, str, str]
) -> None:
    with proxy.rule(rule(effect)), pytest.raises(ClientError) as caught:
        images(ecr)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]) == seen


def test_an_invocation_is_denied_as_a_rest_service_does(proxy: Proxy) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:waiter"
    function = client("lambda", proxy)
    with proxy.rule(Rule("lambda:Invoke", deny())), pytest.raises(ClientError) as caught:
        function.invoke(FunctionName=arn, Payload=json.dumps({"RequestId": "of-this-call"}))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert f"not authorized to perform: lambda:InvokeFunction on resource: {arn} " in str(caught.value)
    assert proxy.count("lambda:Invoke", containing="of-this-call") == 1
    assert proxy.count("lambda:Invoke", containing="of-another") == 0
    function.close()


def test_an_assumption_of_a_role_is_denied_as_a_query_service_does(proxy: Proxy) -> None:
    arn = "arn:aws:iam::210987654321:role/reader"
    sts = client("sts", proxy)
    with proxy.rule(Rule("sts:AssumeRole", deny())), pytest.raises(ClientError) as caught:
        sts.assume_role(RoleArn=arn, RoleSessionName="waiter")
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (403, "AccessDenied")
    assert f"not authorized to perform: sts:AssumeRole on resource: {arn} because" in answer["Error"]["Message"]
    assert proxy.count("sts:AssumeRole", containing="reader") == 1
    sts.close()


def test_a_delayed_call_is_answered_later(proxy: Proxy, ecr: Any) -> None:
    with proxy.rule(rule(delay(0.5))):
        began = time.monotonic()
        assert images(ecr) == []
        assert time.monotonic() - began >= 0.5


def test_a_late_answer_is_to_a_call_that_went_through_at_once(proxy: Proxy, ecr: Any) -> None:
    def there() -> bool:
        return "late" in {each["repositoryName"] for each in ecr.describe_repositories()["repositories"]}

    with proxy.rule(Rule("ecr:CreateRepository", late(1.5))), ThreadPoolExecutor() as pool:
        created = pool.submit(ecr.create_repository, repositoryName="late")
        eventually(there, "what the call does")
        assert not created.done()
        assert created.result()["repository"]["repositoryName"] == "late"
    ecr.delete_repository(repositoryName="late")


def test_a_dropped_call_ends_in_a_reset(proxy: Proxy, ecr: Any) -> None:
    with proxy.rule(rule(drop())), pytest.raises(ConnectionClosedError):
        images(ecr)
    # botocore names a reset and an orderly end alike, so urllib3 is asked which it is.
    headers = {"x-amz-target": "X.DescribeImages", "authorization": "Credential=a/20261101/us-east-1/ecr/aws4_request/"}
    with (
        proxy.rule(rule(drop())),
        HTTPConnectionPool(*proxy.url.removeprefix("http://").split(":")) as pool,  # type: ignore[arg-type]
        pytest.raises(ProtocolError) as caught,
    ):
        pool.urlopen("POST", "/", body=b"{}", headers=headers, retries=False)
    assert type(caught.value.args[1]) is ConnectionResetError, "a subclass of it is how an orderly end would show"
    assert images(ecr) == []


def test_a_rule_meets_its_own_operation_and_repository_only(proxy: Proxy, ecr: Any) -> None:
    with proxy.rule(rule(deny(), repository="app-3")):
        assert refused(ecr, "app-3")
        assert not refused(ecr, "app-30")
        assert ecr.describe_repositories(repositoryNames=["app-3"])["repositories"]
    assert not refused(ecr, "app-3"), "it is gone with its block"


def test_the_first_rule_that_meets_a_call_has_its_way(proxy: Proxy, ecr: Any) -> None:
    with proxy.rule(rule(throttle(), times=1)), proxy.rule(rule(deny())):
        with pytest.raises(ClientError, match="ThrottlingException"):
            images(ecr)
        with pytest.raises(ClientError, match="AccessDeniedException"):
            images(ecr)


def test_times_is_how_often_a_rule_meets(proxy: Proxy, ecr: Any) -> None:
    with proxy.rule(rule(throttle(), times=2)):
        assert [refused(ecr) for _ in range(4)] == [True, True, False, False]


def test_a_share_of_the_calls_is_drawn_alike_for_the_same_seed(proxy: Proxy, ecr: Any) -> None:
    def drawn(seed: int) -> list[bool]:
        with proxy.rule(rule(throttle(), share=0.6, seed=seed)):
            return [refused(ecr) for _ in range(40)]

    first = drawn(1)
    assert first == drawn(1)
    assert first != drawn(2)
    assert 14 <= sum(first) <= 34


def test_every_call_is_counted_met_by_a_rule_or_not(proxy: Proxy, ecr: Any) -> None:
    with proxy.rule(rule(throttle(), times=1)):
        assert [refused(ecr), refused(ecr), refused(ecr, "app-30")] == [True, False, False]
    assert proxy.count("ecr:DescribeImages") == 3
    assert proxy.count("ecr:DescribeImages", repository="app-3") == 2
    assert proxy.count("ecr:CreateRepository") == 2
    assert proxy.count("ecr:DeleteRepository") == 0
    assert proxy.counts("app-3") == {"ecr:CreateRepository": 1, "ecr:DescribeImages": 2}


def test_all_else_passes_through_with_its_errors(proxy: Proxy, ecr: Any) -> None:
    with proxy.rule(rule(deny())):
        names = {each["repositoryName"] for each in ecr.describe_repositories()["repositories"]}
        assert {"app-3", "app-30"} <= names
        with pytest.raises(ecr.exceptions.RepositoryNotFoundException, match="nowhere"):
            ecr.describe_repositories(repositoryNames=["nowhere"])


def test_an_endpoint_that_is_gone_breaks_the_connection(capfd: pytest.CaptureFixture[str]) -> None:
    with Proxy("http://127.0.0.1:1") as proxy:
        with pytest.raises(ConnectionClosedError):
            client("ecr", proxy).describe_repositories()
        assert proxy.count("ecr:DescribeRepositories") == 1
    assert capfd.readouterr() == ("", "")


def test_an_answer_is_padded_and_means_the_same(proxy: Proxy, ecr: Any) -> None:
    padded = rule(pad(1_000_000))
    with proxy.rule(padded):
        answer = ecr.describe_images(repositoryName="app-3")
    assert answer["imageDetails"] == []
    assert int(answer["ResponseMetadata"]["HTTPHeaders"]["content-length"]) > 1_000_000
    assert padded.met == 1
