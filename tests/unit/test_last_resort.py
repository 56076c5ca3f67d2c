"""The last resort always answers, in a way that CloudFormation takes, and says what Lambda said."""

import ast
import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.loaders import create_loader
from hypothesis import given
from hypothesis import strategies as st

import last_resort
from ecr_image_waiter.aws.clients import Aws, SystemClock
from ecr_image_waiter.cfn.event import StackRequest, named_images, read_event
from ecr_image_waiter.cfn.response import attributes_in_rollback, physical_id
from ecr_image_waiter.core.model import Place
from sandbox.player import CANARIES, CloudFormation, Event, Operation, Reset, Status
from sandbox.player_server import Player
from sandbox.processes import ROOT
from tests.support.fakes import DIGEST, FakeCloudFormation, aws_error, stack_event

SAID = {"errorType": "Runtime.ImportModuleError", "errorMessage": "Unable to import module 'ecr_image_waiter.handler'"}


def record(event: object, said: object = SAID) -> dict[str, Any]:
    """Return the event of an on-failure destination, as far as it is read."""
    function = "arn:aws:lambda:us-east-1:123456789012:function:waiter:$LATEST"
    context = {"condition": "RetriesExhausted", "approximateInvokeCount": 3, "functionArn": function}
    return {"requestContext": context, "requestPayload": event, "responsePayload": said}


@pytest.fixture(autouse=True)
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment as Lambda's."""
    for name in ("AWS_ENDPOINT_URL", "AWS_SAM_LOCAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(last_resort, "PAUSES", (0.0,) * 4)


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> Iterator[Player]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with Player(lambda event: last_resort.lambda_handler(record(event), None)) as player:
        yield player
        for operation in list(player.operations):  # the Delete that follows a failed Create, too
            operation.wait()


def test_a_create_is_failed_with_what_lambda_said_after_a_503_and_a_reset_and_the_delete_that_follows_succeeds(
    player: Player,
) -> None:
    create = player.create({"RepositoryName": ["nonsense"]}, faults=[Status(503), Reset()])
    outcome = create.wait()

    assert (outcome.status, outcome.by) == ("FAILED", "answer")
    assert "RetriesExhausted, attempts: 3" in outcome.reason
    assert "Runtime.ImportModuleError: Unable to import module" in outcome.reason
    assert len(create.attempts) == 3
    assert create.follow_up
    assert create.follow_up.wait().status == "SUCCESS"


# --- Rollbacks

APP = {"RepositoryName": "team/app", "ImageTag": "v1"}
ROLES = "arn:aws:iam::210987654321:role/reads"
IMAGES = [
    APP,
    {**APP, "ImageDigest": DIGEST, "Platform": "linux/arm64"},
    {"RepositoryName": "team/app", "ImageDigest": DIGEST},
    {**APP, "RegistryId": "210987654321", "Region": "eu-central-1"},
    {**APP, "RoleArn": ROLES},
    {"ImageUri": "210987654321.dkr.ecr.eu-central-1.amazonaws.com/team/app:v1"},
    {"ImageUri": f"210987654321.dkr.ecr.eu-central-1.amazonaws.com/team/app:v1@{DIGEST}"},
    {"ImageUri": f"210987654321.dkr.ecr.eu-central-1.amazonaws.com/app@{DIGEST}"},
    {"ImageUri": "public.ecr.aws/a1b2c3/team/app:v1"},
    {"ImageUri": "public.ecr.aws/a1b2c3/team/app:v1", "RoleArn": ROLES},
    {"RepositoryName": "team/app"},
    {"ImageTag": "v1"},
    {"RepositoryName": ["team/app"], "ImageTag": 7},
    *({}, {"Images": {}}),
    {"Images": [{"Id": "a", **APP}, {"Id": "b", "RepositoryName": "b", "ImageDigest": DIGEST}, {"ImageTag": "x"}, 1]},
]


@pytest.mark.parametrize(
    ("status", "back"),
    [
        ("UPDATE_ROLLBACK_IN_PROGRESS", True),
        ("ROLLBACK_IN_PROGRESS", True),
        ("UPDATE_IN_PROGRESS", False),
        ("UPDATE_ROLLBACK_COMPLETE", False),
        (aws_error("AccessDenied", operation="DescribeStacks"), False),
        (RuntimeError("odd"), False),
    ],
)
def test_a_stack_rolls_back_only_if_cloudformation_says_so(
    monkeypatch: pytest.MonkeyPatch, status: str | Exception, *, back: bool
) -> None:
    monkeypatch.setattr("boto3.client", lambda *_, **__: FakeCloudFormation(status))

    assert last_resort.rolls_back("a stack") is back


def test_it_asks_again_when_it_is_throttled_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def throttled(_: object, request: object) -> AWSResponse:
        asked.append(request)
        body = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
        raw = urllib3.HTTPResponse(io.BytesIO(body), preload_content=False)
        headers: Any = HeadersDict()
        return AWSResponse("https://cloudformation", 400, headers, raw)

    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", throttled)
    monkeypatch.setattr("time.sleep", lambda _: None)

    assert not last_resort.rolls_back("arn:aws:cloudformation:us-east-1:123456789012:stack/shop/5b1c9a50")
    assert len(asked) == 5


def test_without_boto3_no_stack_rolls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    assert not last_resort.rolls_back("a stack")


def in_rollback(properties: Any) -> dict[str, Any]:
    """Return the answer to an Update of a stack that rolls back."""
    bodies: list[bytes] = []

    def put(_: str, body: bytes) -> int:
        bodies.append(body)
        return 200

    event = stack_event("Update", ResourceProperties=properties)
    last_resort.answer_for(record(event), put, lambda _: None, lambda _: True)
    (body,) = bodies
    told: dict[str, Any] = json.loads(body)
    return told


@pytest.mark.parametrize("properties", IMAGES)
def test_an_update_of_a_rollback_succeeds_with_the_attributes_that_the_waiter_would_tell_without_the_image(
    properties: dict[str, Any],
) -> None:
    uri = Aws(region="us-east-1").repository_uri
    event = stack_event("Update", ResourceProperties=properties)
    request = read_event(event, dns_suffix="amazonaws.com", any_host=False)
    assert isinstance(request, StackRequest)

    told = in_rollback(properties)

    assert told["Status"] == "SUCCESS"
    assert told["PhysicalResourceId"] == event["PhysicalResourceId"]
    place = Place("aws", "us-east-1", "123456789012")
    assert told["Data"] == {**attributes_in_rollback(named_images(request), None, uri, place), "Attempts": "0"}


@pytest.mark.parametrize(
    ("properties", "uri"),
    [
        ({**APP, "RegistryId": "12"}, "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:v1"),
        ({**APP, "Region": "EU"}, "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:v1"),
        ({"ImageUri": "docker.io/library/nginx:latest"}, ""),
    ],
)
def test_properties_that_the_waiter_would_not_take_are_left_out_of_the_uri(
    properties: dict[str, Any], uri: str
) -> None:
    assert in_rollback(properties)["Data"]["ImageUri"] == uri


def test_a_name_that_would_be_a_command_of_a_log_is_harmless_in_the_attributes() -> None:
    data = in_rollback({"RepositoryName": "a\n::error::x\x1b[31m", "ImageTag": "v1"})["Data"]

    assert data["RepositoryName"].isprintable()


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_a_create_and_a_delete_are_answered_without_a_question(kind: str) -> None:
    def rolls_back(_: str) -> bool:
        raise AssertionError("nobody is to ask")

    last_resort.answer_for(record(stack_event(kind)), lambda *_: 200, lambda _: None, rolls_back)


# --- Answers


def test_an_answer_that_is_not_taken_fails_the_invocation_and_shows_nothing_of_the_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with Player(lambda _: None) as player:
        create = player.create({}, faults=[Status(403)])
        with pytest.raises(last_resort.NotDeliveredError) as raised:
            last_resort.lambda_handler(record(create.event), None)
    assert len(create.attempts) == 1
    assert str(raised.value) == "The response could not be sent: HTTP status 403"
    assert not any(canary in capsys.readouterr().out for canary in CANARIES)


def created() -> Event:
    operations: list[Operation] = []
    CloudFormation(operations.append, SystemClock()).create({"RepositoryName": "app"})
    return operations[0].event


def test_it_gives_the_same_physical_id_as_the_waiter() -> None:
    event = created()
    request = read_event(event, dns_suffix="amazonaws.com", any_host=False)

    assert isinstance(request, StackRequest)
    assert json.loads(last_resort.answer(event, "because"))["PhysicalResourceId"] == physical_id(request)


@given(st.text(max_size=100))
def test_any_reason_fits(reason: str) -> None:
    body = last_resort.answer(created(), reason * 50)

    assert len(body) <= 4096
    assert json.loads(body)["Status"] == "FAILED"


JSON = st.recursive(st.none() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c))


@given(JSON)
def test_any_json_is_taken_as_an_event_and_as_what_the_waiter_returned(anything: object) -> None:
    last_resort.lambda_handler(anything, None)
    last_resort.lambda_handler(record(anything), None)

    assert what_lambda_said({**record(created(), anything), "requestContext": anything})


def what_lambda_said(event: dict[str, Any]) -> str:
    return last_resort.what_lambda_said(event, event["requestPayload"]["ResponseURL"])


def test_an_update_whose_stack_did_not_say_whether_it_rolls_back_fails_with_the_waiters_own_reason() -> None:
    said = {"errorType": "StackUnknown", "errorMessage": "Timed out ... (CloudFormation did not say ...)"}

    assert what_lambda_said(record(created(), said)) == said["errorMessage"]


@pytest.mark.parametrize("count", [0, None])
def test_an_event_that_was_dropped_without_an_attempt_is_no_crash(count: int | None) -> None:
    context = {"condition": "EventAgeExceeded", "approximateInvokeCount": count}
    reason = what_lambda_said({**record(created(), None), "requestContext": context})

    assert "never ran" in reason
    assert "limit of concurrent executions" in reason
    assert "ReservedConcurrency" in reason
    assert "function failed" not in reason


def test_one_that_was_dropped_after_an_attempt_is() -> None:
    context = {"condition": "EventAgeExceeded", "approximateInvokeCount": 1}

    assert "(EventAgeExceeded, attempts: 1)" in what_lambda_said({**record(created()), "requestContext": context})


@pytest.mark.parametrize("odd", [" ", "\x7f"])
def test_a_url_that_http_refuses_is_shown_nowhere(capsys: pytest.CaptureFixture[str], odd: str) -> None:
    url = f"https://bucket.s3.amazonaws.com/key?X-Amz-Signature={CANARIES[0]}{odd}x"

    with pytest.raises(last_resort.NotDeliveredError) as raised:
        last_resort.lambda_handler(record({**created(), "ResponseURL": url}), None)

    assert "InvalidURL" in str(raised.value)
    assert raised.value.__cause__ is None
    assert not any(canary in text for canary in CANARIES for text in (str(raised.value), capsys.readouterr().out))


def test_what_lambda_said_is_told_without_the_url_s_query() -> None:
    event = created()
    reason = what_lambda_said(record(event, {"errorMessage": f"boom at {event['ResponseURL']}"}))

    assert "boom at" in reason
    assert not any(canary in reason for canary in CANARIES)


@pytest.mark.parametrize(
    ("region", "host", "accepted"),
    [
        ("us-gov-west-1", "bucket.s3.us-gov-west-1.amazonaws.com", True),
        ("cn-north-1", "bucket.s3.cn-north-1.amazonaws.com.cn", True),
        ("cn-north-1", "bucket.s3.amazonaws.com", False),
        ("eu-west-1", "evil.example", False),
        ("eu-west-1", "evil.example\\.amazonaws.com", False),
        ("eu-west-1", "bucket.amazonaws.com@evil.example", False),
    ],
)
def test_deployed_it_answers_aws_alone(
    monkeypatch: pytest.MonkeyPatch, region: str, host: str, *, accepted: bool
) -> None:
    monkeypatch.setenv("AWS_REGION", region)

    assert (last_resort.unusable({**created(), "ResponseURL": f"https://{host}/x?y"}) == "") is accepted


def test_it_knows_every_partition_that_botocore_knows() -> None:
    for partition in create_loader().load_data("partitions")["partitions"]:
        for region in partition["regions"]:
            if not region.endswith("global"):
                suffix = next((s for key, s in last_resort.SUFFIXES.items() if region.startswith(key)), "amazonaws.com")
                assert suffix == partition["outputs"]["dnsSuffix"], region


def test_nothing_but_the_standard_library_is_imported_when_it_starts() -> None:
    source = ROOT / "src" / "last_resort" / "last_resort.py"
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
