"""The proxy refuses the calls that its rules name, as AWS would, and no other: else a test of a fault met none."""

from collections.abc import Iterator
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from sandbox.proxy import Effect, Proxy, Rule, deny, fail, throttle

ROLE: Final = "arn:aws:iam::210987654321:role/reader"
FUNCTION: Final = "arn:aws:lambda:us-east-1:123456789012:function:waiter"
ASSUME: Final = {"RoleArn": ROLE, "RoleSessionName": "waiter"}
APP: Final = {"repositoryName": "app"}


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with Proxy(f"http://{host}:{port}") as proxy:
        yield proxy
    server.stop()


def refusal(proxy: Proxy, operation: str, call: str, parameters: dict[str, str]) -> tuple[int, str, str] | None:
    """Return the status, code and message with which a call is refused; None where it is not."""
    config = Config(retries={"total_max_attempts": 1})
    client: Any = boto3.client(operation.partition(":")[0], endpoint_url=proxy.url, config=config)
    try:
        getattr(client, call)(**parameters)
    except ClientError as error:
        answer = error.response
        return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]
    finally:
        client.close()
    return None


@pytest.mark.parametrize(
    ("operation", "call", "parameters", "effect", "expected"),
    [
        ("ecr:DescribeImages", "describe_images", APP, throttle("ThrottleException"), (400, "ThrottleException")),
        ("ecr:DescribeImages", "describe_images", APP, fail("ServiceUnavailable", 503), (503, "ServiceUnavailable")),
        ("ecr:DescribeImages", "describe_images", APP, deny(), (400, "AccessDeniedException", "repository/app")),
        ("lambda:Invoke", "invoke", {"FunctionName": FUNCTION}, deny(), (403, "AccessDeniedException", FUNCTION)),
        ("sts:AssumeRole", "assume_role", ASSUME, deny(), (403, "AccessDenied", ROLE)),
    ],
)
def test_a_refused_call_ends_in_the_error_that_aws_would_send(
    *, proxy: Proxy, operation: str, call: str, parameters: dict[str, str], effect: Effect, expected: tuple[Any, ...]
) -> None:
    with proxy.rule(Rule(operation, effect)):
        found = refusal(proxy, operation, call, parameters)
    assert found
    assert found[:2] == expected[:2]
    assert all(f"{named} because no" in found[2] for named in expected[2:])
    assert proxy.count(operation) == 1


def test_a_rule_meets_its_own_operation_and_repository_as_often_as_it_says(proxy: Proxy) -> None:
    ecr = boto3.client("ecr", endpoint_url=proxy.url)
    for name in ("app", "app-2"):
        ecr.create_repository(repositoryName=name)
    with proxy.rule(Rule("ecr:DescribeImages", deny(), repository="app", times=2)):
        assert refusal(proxy, "ecr:DescribeRepositories", "describe_repositories", {}) is None
        refused = [
            refusal(proxy, "ecr:DescribeImages", "describe_images", {"repositoryName": name}) is not None
            for name in ("app-2", "app", "app", "app")
        ]
    assert refused == [False, True, True, False]
