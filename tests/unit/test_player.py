"""The simulated CloudFormation refuses what CloudFormation refuses, and its stacks go where CloudFormation's go."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.player import CloudFormation, Operation, Put, Verdict
from tests.support.clock import FakeClock
from tests.support.simulation import EPOCH

CLOCK = FakeClock(EPOCH)
CLOUDFORMATION = CloudFormation(lambda _: None, CLOCK)


def create(**properties: Any) -> Operation:
    return CLOUDFORMATION.create({"RepositoryName": "team/app", "ImageTag": "v1", **properties})


def put(operation: Operation, **changes: Any) -> Verdict:
    """Send an answer as the function would, but for `changes` to its body."""
    url = urlsplit(operation.event["ResponseURL"])
    event = {"PhysicalResourceId": "the-id", **operation.event}
    own = {key: event[key] for key in ("PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId")}
    body = json.dumps({"Status": "SUCCESS", **own, **changes}).encode()
    return CLOUDFORMATION.receive(Put("PUT", f"{url.path}?{url.query}", {"Content-Type": ""}, body, CLOCK.now()))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Data": {"x": "y" * 4096}}, "allowed: 4096"),
        ({"PhysicalResourceId": "é" * 513}, "Invalid PhysicalResourceId"),
        ({"PhysicalResourceId": None}, "missing: PhysicalResourceId"),
        *(({key: "other"}, f"own: {key}") for key in ("StackId", "RequestId", "LogicalResourceId")),
        ({"Status": "DONE"}, "Status DONE"),
        ({"Status": "FAILED", "Reason": ""}, "missing: Reason"),
        ({"Data": {"a": ["b"]}}, "not flat"),
    ],
)
def test_an_answer_that_cloudformation_refuses_fails_the_operation(changes: dict[str, Any], reason: str) -> None:
    operation = create()

    verdict = put(operation, **changes)

    assert verdict.status == 200  # S3 does not know better
    assert reason in (verdict.refusal or "")
    assert operation.outcome
    assert (operation.outcome.status, operation.outcome.by) == ("FAILED", "refused answer")


def test_an_answer_counts_until_service_timeout_and_the_first_one_alone() -> None:
    late, operation = create(ServiceTimeout=60), create()
    put(operation, Data={"a": "first"})
    put(operation, Status="FAILED", Reason="second")
    CLOCK.advance(60)

    assert put(late).refusal == "after ServiceTimeout"
    assert late.outcome
    assert late.outcome.by == "timeout"
    assert operation.outcome
    assert (operation.outcome.status, operation.outcome.data) == ("SUCCESS", {"a": "first"})
    assert [attempt.counted for attempt in operation.attempts] == [True, False]


def test_a_stack_says_its_status_and_when_its_last_update_began_now_and_at_an_earlier_moment() -> None:
    operation = create()
    stack, began = operation.resource.stack_id, CLOCK.now()
    put(operation)
    CLOCK.advance(100)
    update = CLOUDFORMATION.update(operation.resource, {})
    CLOCK.advance(20)
    CLOUDFORMATION.cancel_update(update)

    now = CLOUDFORMATION.state_of(stack)
    assert (now.status, now.updated_at) == ("UPDATE_ROLLBACK_IN_PROGRESS", began + 100)
    assert CLOUDFORMATION.state_of(stack, began + 119).status == "UPDATE_IN_PROGRESS"
    assert CLOUDFORMATION.state_of("another").status == ""
