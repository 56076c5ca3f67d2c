"""A rollback is never blocked: its Update is answered SUCCESS after one check, whatever that finds."""

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from ecr_image_waiter.cfn.response import attributes
from ecr_image_waiter.core.conditions import Conditions, Wanted
from ecr_image_waiter.core.messages import StackUnknown
from ecr_image_waiter.core.model import OWN, SETTLES, Image, ImageId
from sandbox.player import Operation, new_resource
from tests.support.clock import NOW, FakeClock
from tests.support.fakes import DIGEST, PROPERTIES, REPOSITORY_URI, aws_error, details, stack_event
from tests.support.simulation import Simulation, never
from tests.support.world import FOUND, World, short

BACK = "UPDATE_ROLLBACK_IN_PROGRESS"
NOT_FOUND = aws_error("ImageNotFoundException")
NO_REPLY_OF_ECR = ReadTimeoutError(endpoint_url="https://ecr")
THROTTLED = aws_error("Throttling", operation="DescribeStacks")
DENIED = aws_error("AccessDenied", operation="DescribeStacks")
INVALID = {"RepositoryName": "team/app"}
ALONE = Wanted("", ImageId("", None, None), OWN, Conditions())
KEYS = attributes([ALONE], Image("", "", ""), checks=1, waited=0.0).keys()


def update(properties: Any = PROPERTIES, **more: str) -> dict[str, Any]:
    return stack_event("Update", ResourceProperties={**properties, **more} if more else properties)


def succeeded(world: World) -> dict[str, str]:
    """Return the attributes of the answer, a SUCCESS."""
    assert world.response["Status"] == "SUCCESS"
    data: dict[str, str] = world.response["Data"]
    return data


@pytest.mark.parametrize("status", [BACK, "ROLLBACK_IN_PROGRESS", "IMPORT_ROLLBACK_IN_PROGRESS"])
def test_an_image_that_is_there_is_answered_as_ever(status: str) -> None:
    world = World(FOUND, stack=(status,))

    world.run(update())

    data = succeeded(world)
    assert data["ImageUri"] == f"{REPOSITORY_URI}@{DIGEST}"
    assert data["PlatformImageUri"] == "", "no platform was named"
    assert (data["Attempts"], data["WaitedSeconds"]) == ("1", "0")
    assert (len(world.ecr.calls), world.clock.sleeps) == (1, [])
    assert world.stacks.asked == [update()["StackId"]]


@pytest.mark.parametrize(
    "found",
    [
        *(NOT_FOUND, details(), details({"imageStatus": "ARCHIVED"}), NO_REPLY_OF_ECR),
        *map(
            aws_error, ("RepositoryNotFoundException", "AccessDeniedException", "ThrottlingException", "SomethingNew")
        ),
    ],
)
def test_whatever_else_one_check_finds_it_succeeds_with_the_tag_and_no_digest(found: Any) -> None:
    world = World(found, stack=(BACK,))

    world.run(update())

    data = succeeded(world)
    assert data.keys() == KEYS
    assert data["ImageUri"] == data["TaggedImageUri"] == f"{REPOSITORY_URI}:v1"
    assert (data["ImageDigest"], data["RepositoryName"], data["ImageTag"]) == ("", "team/app", "v1")
    assert (data["RepositoryUri"], data["RegistryId"]) == (REPOSITORY_URI, "123456789012")
    assert (data["ImagePushedAt"], data["ImageSizeInBytes"], data["ImageManifestMediaType"]) == ("", "", "")
    assert (len(world.ecr.calls), world.clock.sleeps) == (1, [])
    (line,) = world.lines_of("rollback_without_image")
    assert line["level"] == "WARNING"


@pytest.mark.parametrize(
    ("properties", "uri"),
    [
        ({**PROPERTIES, "MaxRetries": "a million"}, f"{REPOSITORY_URI}:v1"),
        ({"RepositoryName": "team/app", "ImageDigest": DIGEST, "Unknown": "x"}, f"{REPOSITORY_URI}@{DIGEST}"),
        ({**PROPERTIES, "ImageDigest": 7}, f"{REPOSITORY_URI}:v1"),
        ({"RepositoryName": "team/app", "ImageTag": "", "ImageDigest": ["x"]}, ""),
        (INVALID, ""),
        ({"ImageTag": "v1"}, ""),
        ({"RepositoryName": ["team/app"], "ImageTag": {"v": "1"}, "ImageDigest": 7}, ""),
        ("nonsense", ""),
        (None, ""),
    ],
)
def test_properties_that_would_be_refused_today_count_as_an_image_that_is_not_there(properties: Any, uri: str) -> None:
    world = World(FOUND, stack=(BACK,))

    world.run(update(properties))

    data = succeeded(world)
    assert data.keys() == KEYS
    assert (data["ImageUri"], data["ImageDigest"]) == (uri, "")
    assert (data["Attempts"], data["WaitedSeconds"]) == ("1", "0")
    named = isinstance(properties, dict) and isinstance(properties.get("RepositoryName"), str)
    assert (data["RegistryId"], data["RepositoryUri"]) == (("123456789012", REPOSITORY_URI) if named else ("", ""))
    assert world.ecr.calls == []


def test_more_images_than_fit_a_response_are_answered_without_attributes() -> None:
    world = World(FOUND, stack=(BACK,))

    world.run(update({"Images": [{"Id": f"image{n}", **PROPERTIES, "ImageTag": "v" * 100} for n in range(60)]}))

    assert succeeded(world) == {}


def test_a_fault_of_the_waiter_s_own_does_not_block_it_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("ecr_image_waiter.stack_questions.Checker.check_in_rollback", broken)
    world = World(stack=(BACK,))

    world.run(update())

    assert succeeded(world)["ImageUri"] == f"{REPOSITORY_URI}:v1"
    assert world.lines_of("rollback_image_check_failed")


NO_REPLY_OF_CLOUDFORMATION = ReadTimeoutError(endpoint_url="https://cloudformation")


@pytest.mark.parametrize(
    "stack", [DENIED, THROTTLED, NO_REPLY_OF_CLOUDFORMATION, "SOMETHING_NEW", "UPDATE_IN_PROGRESS"]
)
def test_in_doubt_an_update_is_an_ordinary_one(stack: Any) -> None:
    world = World(NOT_FOUND, FOUND, stack=(stack,))

    world.run(update())

    succeeded(world)
    assert len(world.ecr.calls) > 1


@pytest.mark.parametrize("stack", ["SOMETHING_NEW", "UPDATE_IN_PROGRESS"])
def test_an_update_that_is_not_valid_is_refused(stack: Any) -> None:
    world = World(FOUND, stack=(stack,))

    world.run(update(INVALID))

    assert world.response["Status"] == "FAILED"
    assert "ImageTag" in world.response["Reason"]


@pytest.mark.parametrize("stack", [BACK, THROTTLED])
@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_a_create_and_a_delete_are_answered_without_a_question(kind: str, stack: Any) -> None:
    world = World(FOUND, stack=(stack,))

    world.run(stack_event(kind, ResourceProperties=INVALID))

    assert world.stacks.asked == []
    assert world.response["Status"] == ("FAILED" if kind == "Create" else "SUCCESS")


def test_the_question_may_take_five_seconds_and_a_quarter_of_a_short_invocation() -> None:
    world = World(FOUND, stack=(BACK,))
    world.run(update())
    world.run(update(), timeout=4.5)

    assert world.stacks.seconds == [5.0, 1.0]


@pytest.mark.parametrize("at_first", ["UPDATE_IN_PROGRESS", THROTTLED])
def test_an_update_whose_stack_rolls_back_meanwhile_succeeds_for_it_may_be_the_rollbacks_own(at_first: Any) -> None:
    world = World(NOT_FOUND, stack=(at_first, BACK))

    world.run(update())

    assert succeeded(world)["ImageUri"] == f"{REPOSITORY_URI}:v1"


def test_so_does_one_that_was_handed_over() -> None:
    world = World(NOT_FOUND, stack=("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", BACK), timeout=60)

    assert world.run_to_the_end(update(short(MaxRetries="10"))) == 2

    succeeded(world)


# --- before an Update is answered FAILED

DOOMED = {
    "repository gone": (aws_error("RepositoryNotFoundException"), PROPERTIES),
    "refused by ECR": (aws_error("SomethingNew"), PROPERTIES),
    "not allowed": (aws_error("AccessDeniedException"), PROPERTIES),
    "at the limit": (NOT_FOUND, short()),
    "refused properties": (FOUND, {**PROPERTIES, "NoLongerKnown": "x"}),
    "a fault of its own": (RuntimeError("odd"), {**PROPERTIES, "MaxRetries": "0"}),
}


@pytest.mark.parametrize("doomed", DOOMED)
@pytest.mark.parametrize("unknown", [1, 6])
@pytest.mark.parametrize(("stack", "status"), [(BACK, "SUCCESS"), ("UPDATE_IN_PROGRESS", "FAILED")])
def test_a_throttled_question_blocks_no_rollback_and_an_update_that_is_under_way_fails(
    doomed: str, unknown: int, stack: str, status: str
) -> None:
    found, properties = DOOMED[doomed]
    world = World(found, stack=(*[THROTTLED] * unknown, stack))

    world.run_to_the_end(update(properties))

    assert world.response["Status"] == status


def test_a_status_of_before_the_rollback_is_not_believed_in_the_first_seconds() -> None:
    world = World(FOUND, stack=("UPDATE_IN_PROGRESS", BACK))

    world.run(update(INVALID))

    succeeded(world)
    assert world.clock.now() >= NOW + SETTLES


def test_a_denial_is_an_answer() -> None:
    world = World(FOUND, stack=(DENIED,))

    world.run(update(INVALID))

    assert world.response["Status"] == "FAILED"
    assert len(world.stacks.asked) == 2


@pytest.mark.parametrize(
    ("service_timeout", "timeout", "reserve"),
    [("3600", 900.0, 240.0), ("3600", 60.0, 45.0), ("600", 900.0, 120.0), ("60", 900.0, 15.0), ("10", 900.0, 7.0)],
)
def test_it_asks_for_as_long_as_the_reserve_and_no_longer(service_timeout: str, timeout: float, reserve: float) -> None:
    """Where there is time left, Lambda runs it again; where there is none, it fails. Both keep the Reason."""
    world = World(FOUND, stack=(THROTTLED,), timeout=timeout)

    if service_timeout in ("10", "60"):
        world.run(update(INVALID, ServiceTimeout=service_timeout))
        assert world.response["Status"] == "FAILED"
        assert "ImageTag: missing" in world.response["Reason"]
    else:
        with pytest.raises(StackUnknown, match="ImageTag: missing"):
            world.run(update(INVALID, ServiceTimeout=service_timeout))
        assert world.transport.puts == []
        assert "ImageTag: missing" in world.lines_of("failure_withheld")[0]["message"]

    assert reserve - 15.0 <= world.clock.now() - NOW <= reserve
    assert len(world.stacks.asked) <= 30
    assert world.lines_of("failure_withheld", "rollback_unresolved")


def test_a_fault_in_the_answer_to_a_rollback_is_left_to_lambda_s_retries_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(FOUND, stack=(THROTTLED, BACK))

    def broken_attributes(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("ecr_image_waiter.stack_questions.attributes_in_rollback", broken_attributes)

    with pytest.raises(StackUnknown, match="ImageTag: missing"):
        world.run(update(INVALID))

    assert world.transport.puts == []


def updated(simulation: Simulation, properties: dict[str, Any], status: str = "") -> Operation:
    """Play an Update of a stack that has this status."""
    resource = new_resource()
    resource.physical_id, resource.properties = "Image-0123", properties
    operation = simulation.cloudformation.update(resource, properties)
    if status:
        simulation.cloudformation.set_status(resource.stack_id, status)
    simulation.play()
    return operation


@pytest.mark.parametrize("timeout", [60.0, 120.0, 900.0])
@pytest.mark.parametrize("service_timeout", [60, 600, 1200, 3600])
@pytest.mark.parametrize(
    ("more", "reason"),
    [({}, "ImageTag: missing"), ({"ImageTag": "v1", "MaxRetries": 10}, "team/app:v1")],
    ids=["not valid", "at the limit"],
)
def test_through_an_outage_of_cloudformation_an_update_is_failed_before_service_timeout_with_its_reason(
    timeout: float, service_timeout: int, more: dict[str, Any], reason: str
) -> None:
    simulation = Simulation(never, timeout=timeout, last_resort=True, question_reply=lambda _: THROTTLED)

    outcome = updated(simulation, {**INVALID, "ServiceTimeout": service_timeout, **more}).outcome

    assert outcome
    assert (outcome.status, outcome.by) == ("FAILED", "answer")
    assert reason in outcome.reason


@pytest.mark.parametrize("seconds", [100.0, 245.0, 600.0])
def test_a_rollback_succeeds_however_long_cloudformation_throttled_before(seconds: float) -> None:
    simulation = Simulation(
        never, last_resort=True, question_reply=lambda elapsed: THROTTLED if elapsed < seconds else None
    )

    outcome = updated(simulation, INVALID, BACK).outcome

    assert outcome
    assert outcome.status == "SUCCESS"


@pytest.mark.parametrize("service_timeout", ["10", "20", "60"])
@pytest.mark.parametrize(("stack", "status"), [(THROTTLED, "FAILED"), (BACK, "SUCCESS")])
def test_an_update_is_answered_before_service_timeout_though_nothing_else_answers(
    service_timeout: str, stack: Any, status: str
) -> None:
    clock = FakeClock()
    world = World(NO_REPLY_OF_ECR, stack=(stack,), clock=clock)
    world.ecr.hang(clock)
    if stack is THROTTLED:
        world.stacks.hang(clock)

    world.run(update(PROPERTIES, ServiceTimeout=service_timeout))

    assert world.response["Status"] == status
    assert clock.now() - NOW < float(service_timeout)
