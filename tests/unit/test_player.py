"""The simulated CloudFormation refuses what CloudFormation refuses, and its stacks go where CloudFormation's go."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.player import CANARIES, CloudFormation, Event, Operation, Put, Verdict
from tests.support.clock import FakeClock
from tests.support.simulation import EPOCH

PROPERTIES = {"RepositoryName": "team/app", "ImageTag": "v1"}


class Stage:
    """The rules with a fake clock and a function that only takes notes."""

    def __init__(self) -> None:
        self.clock = FakeClock(EPOCH)
        self.events: list[Event] = []
        self.cloudformation = CloudFormation(lambda operation: self.events.append(operation.event), self.clock)

    def create(self, **properties: Any) -> Operation:
        return self.cloudformation.create({**PROPERTIES, **properties})

    def put(self, operation: Operation, **changes: Any) -> Verdict:
        """Send an answer as the function would, but for `changes` to its body."""
        url = urlsplit(operation.event["ResponseURL"])
        body = answer(operation, **changes)
        put = Put("PUT", f"{url.path}?{url.query}", {"Content-Type": ""}, body, self.clock.now())
        return self.cloudformation.receive(put)


def answer(operation: Operation, **changes: Any) -> bytes:
    event = {"PhysicalResourceId": "the-id", **operation.event}
    own = {key: event[key] for key in ("PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId")}
    return json.dumps({"Status": "SUCCESS", **own, **changes}).encode()


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_an_event_has_strings_at_any_depth_and_the_canaries_in_its_url_alone(stage: Stage) -> None:
    event = stage.create(MaxRetries=5, WaitForRepository=True, Nested={"list": [1, False]}).event
    url = event.pop("ResponseURL")

    properties = event["ResourceProperties"]
    assert (properties["MaxRetries"], properties["WaitForRepository"]) == ("5", "true")
    assert properties["Nested"] == {"list": ["1", "false"]}
    assert [canary for canary in CANARIES if canary not in url or canary in json.dumps(event)] == []


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
def test_an_answer_that_cloudformation_refuses_fails_the_operation(
    stage: Stage, changes: dict[str, Any], reason: str
) -> None:
    create = stage.create()

    verdict = stage.put(create, **changes)

    assert verdict.status == 200  # S3 does not know better
    assert reason in (verdict.refusal or "")
    assert create.outcome
    assert (create.outcome.status, create.outcome.by) == ("FAILED", "refused answer")


def test_the_largest_answer_and_the_longest_id_are_taken(stage: Stage) -> None:
    create = stage.create()
    empty = len(answer(create, PhysicalResourceId="x" * 1024, Data={"x": ""}))

    assert stage.put(create, PhysicalResourceId="x" * 1024, Data={"x": "y" * (4096 - empty)}).refusal is None


def test_an_answer_after_service_timeout_is_refused_and_the_operation_has_failed(stage: Stage) -> None:
    create = stage.create(ServiceTimeout=60)
    stage.clock.advance(60)

    assert stage.put(create).refusal == "after ServiceTimeout"
    assert create.outcome
    assert (create.outcome.status, create.outcome.by) == ("FAILED", "timeout")


def test_the_first_accepted_answer_wins_and_later_ones_are_kept_and_ignored(stage: Stage) -> None:
    create = stage.create()
    stage.put(create, Data={"a": "first"})

    assert stage.put(create, Status="FAILED", Reason="second").refusal is None
    assert create.outcome
    assert (create.outcome.status, create.outcome.data) == ("SUCCESS", {"a": "first"})
    assert [attempt.counted for attempt in create.attempts] == [True, False]


def test_a_stack_says_its_status_and_when_its_last_update_began_now_and_at_an_earlier_moment(stage: Stage) -> None:
    create = stage.create()
    stack, began = create.resource.stack_id, stage.clock.now()
    state_of = stage.cloudformation.state_of
    assert state_of("another").status == ""
    stage.put(create)
    stage.clock.advance(100)
    update = stage.cloudformation.update(create.resource, PROPERTIES)
    stage.clock.advance(20)
    stage.cloudformation.cancel_update(update)

    assert (state_of(stack).status, state_of(stack).updated_at) == ("UPDATE_ROLLBACK_IN_PROGRESS", began + 100)
    assert state_of(stack, began + 119).status == "UPDATE_IN_PROGRESS"
    assert state_of(stack, began - 99).status == "CREATE_IN_PROGRESS"


def test_the_update_of_a_rollback_that_fails_leaves_the_stack_stuck(stage: Stage) -> None:
    create = stage.create()
    stage.put(create)
    back = stage.cloudformation.roll_back(create.resource, PROPERTIES)
    stage.put(back, Status="FAILED", Reason="no")

    assert stage.cloudformation.status_of(create.resource.stack_id) == "UPDATE_ROLLBACK_FAILED"
