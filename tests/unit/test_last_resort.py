"""The last resort always answers, in a way that CloudFormation takes, and says what Lambda said."""

import ast
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.loaders import create_loader
from hypothesis import given
from hypothesis import strategies as st

import last_resort
from ecr_image_waiter.clock import SystemClock
from ecr_image_waiter.request import StackRequest, read_event
from ecr_image_waiter.response import physical_id
from sandbox.player import CANARIES, CloudFormation, Event, Operation, Reset, Status
from sandbox.player_server import Player
from sandbox.processes import ROOT

SAID = {"errorType": "Runtime.ImportModuleError", "errorMessage": "Unable to import module 'ecr_image_waiter.handler'"}


def record(event: object, said: object = SAID) -> dict[str, Any]:
    """Return what Lambda tells an on-failure destination."""
    return {
        "version": "1.0",
        "timestamp": "2026-11-20T12:00:00.000Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-4ea1-8a2a-000000000000",
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:waiter:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": said,
    }


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> Iterator[Player]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(last_resort, "PAUSES", (0.0,) * 4)
    with Player(lambda event: last_resort.lambda_handler(record(event), None)) as player:
        yield player
        for operation in list(player.operations):  # the Delete that follows a failed Create, too
            operation.wait(10)


def test_a_create_is_failed_with_what_lambda_said(player: Player) -> None:
    outcome = player.create({"RepositoryName": "app", "ImageTag": "v1"}).wait(10)

    assert (outcome.status, outcome.by) == ("FAILED", "answer")
    assert "RetriesExhausted, attempts: 3" in outcome.reason
    assert "Runtime.ImportModuleError: Unable to import module" in outcome.reason


def test_the_delete_that_follows_and_any_other_succeeds(player: Player) -> None:
    create = player.create({"RepositoryName": ["nonsense"]})
    create.wait(10)

    assert create.follow_up
    assert create.follow_up.wait(10).status == "SUCCESS"


def test_an_update_keeps_its_physical_id(player: Player) -> None:
    create = player.create({})
    create.wait(10)
    create.resource.physical_id = "Image-0123"

    assert player.update(create.resource, {"ImageTag": "v2"}).wait(10).physical_id == "Image-0123"


def test_the_answer_is_retried_after_a_503_and_a_reset(player: Player) -> None:
    create = player.create({}, faults=[Status(503), Reset()])

    assert create.wait(10).by == "answer"
    assert len(create.attempts) == 3


def test_an_answer_that_is_not_taken_fails_the_invocation_and_shows_nothing_of_the_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with Player(lambda _: None) as player:
        create = player.create({}, faults=[Status(403)])
        with pytest.raises(last_resort.NotDeliveredError) as raised:
            last_resort.lambda_handler(record(create.event), None)
    assert len(create.attempts) == 1
    assert str(raised.value) == "CloudFormation did not take the answer: HTTP status 403"
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


@given(st.text())
def test_any_reason_fits(reason: str) -> None:
    body = last_resort.answer(created(), reason * 50)

    assert len(body) <= 4096
    assert json.loads(body)["Status"] == "FAILED"


JSON = st.recursive(st.none() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c))


@given(JSON)
def test_whatever_lambda_tells_it_never_fails_on_an_event_it_cannot_answer(told: object) -> None:
    last_resort.lambda_handler(told, None)
    last_resort.lambda_handler(record(told), None)


@given(JSON)
def test_whatever_the_waiter_returned_there_is_a_reason(said: object) -> None:
    event = created()

    assert last_resort.what_lambda_said({**record(event, said), "requestContext": said}, event["ResponseURL"])


def test_what_lambda_said_is_told_without_the_url_s_query() -> None:
    event = created()
    reason = last_resort.what_lambda_said(
        record(event, {"errorMessage": f"boom at {event['ResponseURL']}"}), event["ResponseURL"]
    )

    assert "boom at" in reason
    assert not any(canary in reason for canary in CANARIES)


@pytest.mark.parametrize(
    ("region", "host", "accepted"),
    [
        ("eu-west-1", "bucket.s3.eu-west-1.amazonaws.com", True),
        ("us-gov-west-1", "bucket.s3.us-gov-west-1.amazonaws.com", True),
        ("cn-north-1", "bucket.s3.cn-north-1.amazonaws.com.cn", True),
        ("cn-north-1", "bucket.s3.amazonaws.com", False),
        ("eu-west-1", "evil.example", False),
        ("eu-west-1", "evil.example\\.amazonaws.com", False),
        ("eu-west-1", "bucket.amazonaws.com@evil.example", False),
    ],
)
def test_deployed_it_answers_aws_alone(
    monkeypatch: pytest.MonkeyPatch,
    region: str,
    host: str,
    accepted: bool,  # noqa: FBT001
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_SAM_LOCAL", raising=False)
    monkeypatch.setenv("AWS_REGION", region)

    assert (last_resort.unusable({**created(), "ResponseURL": f"https://{host}/x?y"}) == "") is accepted


def test_it_knows_every_partition_that_botocore_knows() -> None:
    for partition in create_loader().load_data("partitions")["partitions"]:
        for region in partition["regions"]:
            if not region.endswith("global"):
                suffix = next((s for key, s in last_resort.SUFFIXES.items() if region.startswith(key)), "amazonaws.com")
                assert suffix == partition["outputs"]["dnsSuffix"], region


def test_nothing_but_the_standard_library_is_on_its_path() -> None:
    source = ROOT / "src" / "last_resort" / "last_resort.py"
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
