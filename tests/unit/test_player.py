"""The player refuses what CloudFormation refuses, and follows up as CloudFormation does."""

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


def answer(operation: Operation, **changes: Any) -> bytes:
    event = operation.event
    body = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId", "the-id"),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        **changes,
    }
    return json.dumps(body).encode()


@pytest.fixture
def stage() -> Stage:
    return Stage()


# --- events


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


# --- what S3 refuses: the operation goes on


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "POST"}, "method POST"),
        ({"headers": {"content-type": "application/json"}}, "Content-Type application/json"),
        ({"at": EPOCH + 7200}, "expired"),
        ({"target": "/elsewhere"}, "no operation"),
    ],
)
def test_s3_refuses_with_403_and_the_operation_goes_on(stage: Stage, changes: dict[str, Any], reason: str) -> None:
    create = stage.create()
    verdict = stage.put(create, **changes)
    assert verdict.status == 403
    assert reason in (verdict.refusal or "")
    assert create.outcome is None
    assert stage.put(create).refusal is None


# --- what CloudFormation refuses: the operation fails


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Data": {"x": "y" * 4096}}, "allowed: 4096"),
        ({"PhysicalResourceId": ""}, "Invalid PhysicalResourceId"),
        ({"PhysicalResourceId": "é" * 513}, "Invalid PhysicalResourceId"),
        ({"PhysicalResourceId": None}, "missing: PhysicalResourceId"),
        *(({key: "other"}, f"own: {key}") for key in ("StackId", "RequestId", "LogicalResourceId")),
        ({"Status": "DONE"}, "Status DONE"),
        ({"Status": "FAILED", "Reason": ""}, "missing: Reason"),
        ({"Data": {"a": {"b": "c"}}}, "not flat"),
        ({"Data": {"a": ["b"]}}, "not flat"),
    ],
)
def test_cloudformation_refuses_and_fails_the_operation(stage: Stage, changes: dict[str, Any], reason: str) -> None:
    create = stage.create()
    verdict = stage.put(create, answer(create, **changes))
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
    assert stage.create().deadline == create.sent + 3600
    stage.clock.advance(60)
    verdict = stage.put(create)
    assert (verdict.status, verdict.refusal) == (200, "after ServiceTimeout")
    assert create.outcome
    assert (create.outcome.status, create.outcome.by) == ("FAILED", "timeout")


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


def test_a_stack_tells_its_status_and_when_its_last_update_began_now_and_as_it_was(stage: Stage) -> None:
    create = stage.create()
    stack, began = create.resource.stack_id, stage.clock.now()
    assert stage.cloudformation.state_of("another").status == ""
    assert stage.cloudformation.state_of(stack).updated_at is None
    stage.put(create)
    stage.clock.advance(100)
    update = stage.cloudformation.update(create.resource, PROPERTIES)
    stage.clock.advance(20)
    stage.cloudformation.cancel_update(update)

    told = stage.cloudformation.state_of(stack)
    assert (told.status, told.updated_at) == ("UPDATE_ROLLBACK_IN_PROGRESS", began + 100)
    assert stage.cloudformation.state_of(stack, began + 119).status == "UPDATE_IN_PROGRESS"
    assert stage.cloudformation.state_of(stack, began + 99).status == "CREATE_COMPLETE"
    assert stage.cloudformation.state_of(stack, began - 99).status == "CREATE_IN_PROGRESS"


def test_a_rollback_s_update_that_fails_leaves_the_stack_stuck(stage: Stage) -> None:
    create = stage.create()
    stage.put(create)
    back = stage.cloudformation.roll_back(create.resource, PROPERTIES)
    stage.put(back, answer(back, Status="FAILED", Reason="no"))
    assert stage.cloudformation.status_of(create.resource.stack_id) == "UPDATE_ROLLBACK_FAILED"
