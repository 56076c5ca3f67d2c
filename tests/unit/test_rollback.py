"""A rollback is never blocked: its Update is answered SUCCESS after one check, whatever that finds."""

from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from ecr_image_waiter.cfn.response import attributes
from ecr_image_waiter.core.conditions import Conditions, Wanted
from ecr_image_waiter.core.messages import StackUnknown
from ecr_image_waiter.core.model import OWN, SETTLES, Image, ImageId
from sandbox.player import new_resource
from tests.support.clock import NOW, FakeClock
from tests.support.fakes import DIGEST, PROPERTIES, REPOSITORY_URI, aws_error, details, stack_event
from tests.support.simulation import Simulation, never
from tests.support.world import FOUND, World, short

BACK = "UPDATE_ROLLBACK_IN_PROGRESS"
NOT_FOUND = aws_error("ImageNotFoundException")
NO_REPLY_OF_ECR = ReadTimeoutError(endpoint_url="https://ecr")
KEYS = attributes(
    [Wanted("", ImageId("", None, None), OWN, Conditions())], Image("", "", ""), checks=1, waited=0.0
).keys()
HIDDEN = [
    aws_error("AccessDenied", operation="DescribeStacks"),
    aws_error("Throttling", operation="DescribeStacks"),
    ReadTimeoutError(endpoint_url="https://cloudformation"),
    "SOMETHING_NEW",
    "UPDATE_IN_PROGRESS",
]


def broken(*_: str) -> Any:
    raise RuntimeError("no client can be made")


def update(properties: Any = PROPERTIES) -> dict[str, Any]:
    return stack_event("Update", ResourceProperties=properties)


@pytest.mark.parametrize("status", [BACK, "ROLLBACK_IN_PROGRESS", "IMPORT_ROLLBACK_IN_PROGRESS"])
def test_an_image_that_is_there_is_answered_as_ever(status: str) -> None:
    world = World(FOUND, stack=(status,))

    world.run(update())

    assert world.answer["Status"] == "SUCCESS"
    assert world.answer["Data"]["ImageUri"] == f"{REPOSITORY_URI}@{DIGEST}"
    assert (world.answer["Data"]["Attempts"], world.answer["Data"]["WaitedSeconds"]) == ("1", "0")
    assert (len(world.ecr.calls), world.clock.sleeps) == (1, [])
    assert world.answer["Data"]["PlatformImageUri"] == "", "no platform was named"
    assert world.stacks.asked == [update()["StackId"]]


@pytest.mark.parametrize(
    "found",
    [
        NOT_FOUND,
        details(),
        aws_error("RepositoryNotFoundException"),
        aws_error("AccessDeniedException"),
        aws_error("ThrottlingException"),
        aws_error("ServerException", status=500),
        aws_error("SomethingNew"),
        details({"imageStatus": "ARCHIVED"}),
        ReadTimeoutError(endpoint_url="https://ecr"),
    ],
)
def test_whatever_else_one_look_finds_it_succeeds_with_the_tag_and_no_digest(found: Any) -> None:
    world = World(found, stack=(BACK,))

    world.run(update())

    data = world.answer["Data"]
    assert world.answer["Status"] == "SUCCESS"
    assert data.keys() == KEYS
    assert data["ImageUri"] == data["TaggedImageUri"] == f"{REPOSITORY_URI}:v1"
    assert (data["ImageDigest"], data["RepositoryName"], data["ImageTag"]) == ("", "team/app", "v1")
    assert (data["RepositoryUri"], data["RegistryId"]) == (REPOSITORY_URI, "123456789012")
    assert (data["ImagePushedAt"], data["ImageSizeInBytes"], data["ImageManifestMediaType"]) == ("", "", "")
    assert (len(world.ecr.calls), world.clock.sleeps) == (1, [])
    (line,) = world.lines_of("rollback_without_image")
    assert line["level"] == "WARNING"


def test_an_image_named_by_digest_alone_keeps_its_uri() -> None:
    world = World(NOT_FOUND, stack=(BACK,))

    world.run(update({"RepositoryName": "team/app", "ImageDigest": DIGEST}))

    data = world.answer["Data"]
    assert (data["ImageUri"], data["ImageDigest"]) == (f"{REPOSITORY_URI}@{DIGEST}", "")
    assert (data["TaggedImageUri"], data["ImageTag"]) == ("", "")


@pytest.mark.parametrize(
    ("properties", "uri"),
    [
        ({**PROPERTIES, "NoLongerKnown": "x"}, f"{REPOSITORY_URI}:v1"),
        ({**PROPERTIES, "MaxRetries": "a million"}, f"{REPOSITORY_URI}:v1"),
        ({"RepositoryName": "team/app", "ImageDigest": DIGEST, "Unknown": "x"}, f"{REPOSITORY_URI}@{DIGEST}"),
        ({**PROPERTIES, "ImageDigest": 7}, f"{REPOSITORY_URI}:v1"),
        ({"RepositoryName": "team/app", "ImageTag": 7, "ImageDigest": ""}, ""),
        ({"RepositoryName": "team/app", "ImageTag": "", "ImageDigest": ["x"]}, ""),
        ({"RepositoryName": "team/app"}, ""),
        ({"ImageTag": "v1"}, ""),
        ({"RepositoryName": ["team/app"], "ImageTag": {"v": "1"}, "ImageDigest": 7}, ""),
        ({}, ""),
        ("nonsense", ""),
        (None, ""),
    ],
)
def test_properties_that_would_be_refused_today_count_as_an_image_that_is_not_there(properties: Any, uri: str) -> None:
    world = World(FOUND, stack=(BACK,))

    world.run(update(properties))

    assert world.answer["Status"] == "SUCCESS"
    assert world.answer["Data"].keys() == KEYS
    assert (world.answer["Data"]["ImageUri"], world.answer["Data"]["ImageDigest"]) == (uri, "")
    assert (world.answer["Data"]["Attempts"], world.answer["Data"]["WaitedSeconds"]) == ("1", "0")
    named = isinstance(properties, dict) and isinstance(properties.get("RepositoryName"), str)
    account = ("123456789012", REPOSITORY_URI) if named else ("", "")
    assert (world.answer["Data"]["RegistryId"], world.answer["Data"]["RepositoryUri"]) == account
    assert world.ecr.calls == []


def test_more_images_than_fit_a_response_are_answered_without_attributes() -> None:
    images = [{"Id": f"image{n}", **PROPERTIES, "ImageTag": "v" * 100} for n in range(60)]
    world = World(FOUND, stack=(BACK,))

    world.run(update({"Images": images}))

    assert (world.answer["Status"], world.answer["Data"]) == ("SUCCESS", {})


def test_a_fault_of_the_waiter_s_own_does_not_block_it_either() -> None:
    world = World(stack=(BACK,))
    world.ecr.before = broken

    world.run(update())

    assert world.answer["Status"] == "SUCCESS"
    assert world.answer["Data"]["ImageUri"] == f"{REPOSITORY_URI}:v1"


@pytest.mark.parametrize("stack", HIDDEN)
def test_in_doubt_an_update_is_an_ordinary_one(stack: Any) -> None:
    world = World(NOT_FOUND, FOUND, stack=(stack,))

    world.run(update())

    assert world.answer["Status"] == "SUCCESS"
    assert len(world.ecr.calls) > 1


@pytest.mark.parametrize("stack", [aws_error("AccessDenied"), "SOMETHING_NEW", "UPDATE_IN_PROGRESS"])
def test_an_update_that_is_not_valid_is_refused(stack: Any) -> None:
    world = World(FOUND, stack=(stack,))

    world.run(update({"RepositoryName": "team/app"}))

    assert world.answer["Status"] == "FAILED"
    assert "ImageTag" in world.answer["Reason"]


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_a_create_and_a_delete_do_not_ask(kind: str) -> None:
    world = World(FOUND, stack=(BACK,))

    world.run(stack_event(kind))

    assert world.answer["Status"] == "SUCCESS"
    assert world.stacks.asked == []


def test_the_question_may_take_five_seconds_and_a_quarter_of_a_short_invocation() -> None:
    world = World(FOUND, stack=(BACK,))
    world.run(update())
    world.run(update(), timeout=4.5)

    assert world.stacks.seconds == [5.0, 1.0]


@pytest.mark.parametrize("at_first", ["UPDATE_IN_PROGRESS", aws_error("Throttling", operation="DescribeStacks")])
def test_an_update_whose_stack_rolls_back_meanwhile_succeeds_for_it_may_be_the_rollbacks_own(at_first: Any) -> None:
    world = World(NOT_FOUND, stack=(at_first, BACK))

    world.run(update())

    assert world.answer["Status"] == "SUCCESS"
    assert world.answer["Data"]["ImageUri"] == f"{REPOSITORY_URI}:v1"


def test_so_does_one_that_was_handed_over() -> None:
    world = World(NOT_FOUND, stack=("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", BACK), timeout=60)
    world.run(update(short(MaxRetries="10")))
    (handed_over,) = world.functions.events

    world.run(handed_over)

    assert world.answer["Status"] == "SUCCESS"


# --- before an Update is answered FAILED

DOOMED = {
    "repository gone": (aws_error("RepositoryNotFoundException"), PROPERTIES),
    "refused by ECR": (aws_error("SomethingNew"), PROPERTIES),
    "not allowed": (aws_error("AccessDeniedException"), PROPERTIES),
    "at the limit": (NOT_FOUND, short()),
    "refused properties": (FOUND, {**PROPERTIES, "NoLongerKnown": "x"}),
    "a fault of its own": (RuntimeError("odd"), {**PROPERTIES, "MaxRetries": "0"}),
}
THROTTLED = aws_error("Throttling", operation="DescribeStacks")


@pytest.mark.parametrize("doomed", DOOMED)
@pytest.mark.parametrize("unknown", [1, 3, 6])
def test_a_throttled_question_blocks_no_rollback(doomed: str, unknown: int) -> None:
    found, properties = DOOMED[doomed]
    world = World(found, stack=(*[THROTTLED] * unknown, BACK))

    world.run_to_the_end(update(properties))

    assert world.answer["Status"] == "SUCCESS"


@pytest.mark.parametrize("doomed", DOOMED)
def test_an_update_is_failed_once_its_stack_is_seen_going_forward(doomed: str) -> None:
    found, properties = DOOMED[doomed]
    world = World(found, stack=(THROTTLED, THROTTLED, THROTTLED, "UPDATE_IN_PROGRESS"))

    world.run_to_the_end(update(properties))

    assert world.answer["Status"] == "FAILED"


def test_a_status_of_before_the_rollback_is_not_believed_in_the_first_seconds() -> None:
    world = World(FOUND, stack=("UPDATE_IN_PROGRESS", BACK))

    world.run(update({"RepositoryName": "team/app"}))

    assert world.answer["Status"] == "SUCCESS"
    assert world.clock.now() >= NOW + SETTLES


def test_a_denial_is_an_answer() -> None:
    world = World(FOUND, stack=(aws_error("AccessDenied", operation="DescribeStacks"),))

    world.run(update({"RepositoryName": "team/app"}))

    assert world.answer["Status"] == "FAILED"
    assert len(world.stacks.asked) == 2


@pytest.mark.parametrize(("service_timeout", "reserve"), [("3600", 240.0), ("600", 120.0), ("60", 15.0), ("10", 7.0)])
def test_it_asks_for_as_long_as_the_reserve_and_no_longer(service_timeout: str, reserve: float) -> None:
    world = World(FOUND, stack=(THROTTLED,))

    with suppress(StackUnknown):
        world.run(update({"RepositoryName": "team/app", "ServiceTimeout": service_timeout}))

    assert reserve - 15.0 <= world.clock.now() - NOW <= reserve
    assert len(world.stacks.asked) <= 30
    assert world.lines_of("failure_withheld", "rollback_unresolved")


@pytest.mark.parametrize("service_timeout", ["10", "60"])
def test_where_no_time_is_left_for_another_run_it_fails_with_its_reason(service_timeout: str) -> None:
    world = World(FOUND, stack=(THROTTLED,))

    world.run(update({"RepositoryName": "team/app", "ServiceTimeout": service_timeout}))

    assert world.answer["Status"] == "FAILED"
    assert "ImageTag: missing" in world.answer["Reason"]


@pytest.mark.parametrize("timeout", [60.0, 900.0])
def test_where_there_is_time_lambda_runs_it_again_and_the_reason_is_kept(timeout: float) -> None:
    world = World(FOUND, stack=(THROTTLED,), timeout=timeout)

    with pytest.raises(StackUnknown, match="ImageTag: missing"):
        world.run(update({"RepositoryName": "team/app"}))

    assert world.transport.puts == []
    assert world.clock.now() < NOW + min(timeout * 0.75, 241.0)
    (line,) = world.lines_of("failure_withheld")
    assert "ImageTag: missing" in line["message"]


def test_a_fault_in_the_answer_to_a_rollback_is_left_to_lambda_s_retries_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(FOUND, stack=(THROTTLED, BACK))

    def broken_attributes(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("ecr_image_waiter.stack_questions.attributes_in_rollback", broken_attributes)

    with pytest.raises(StackUnknown, match="ImageTag: missing"):
        world.run(update({"RepositoryName": "team/app"}))

    assert world.transport.puts == []


@pytest.mark.parametrize("timeout", [60.0, 90.0, 120.0, 300.0, 900.0])
@pytest.mark.parametrize("service_timeout", [60, 600, 900, 1080, 1200, 1500, 3600])
@pytest.mark.parametrize("fault", ["not valid", "at the limit"])
def test_through_an_outage_of_cloudformation_an_update_is_failed_before_service_timeout_with_its_reason(
    timeout: float, service_timeout: int, fault: str
) -> None:
    simulation = Simulation(never, timeout=timeout, last_resort=True, question_reply=lambda _: THROTTLED)
    properties: dict[str, Any] = {"RepositoryName": "team/app", "ServiceTimeout": service_timeout}
    if fault == "at the limit":
        properties |= {"ImageTag": "v1", "MaxRetries": 10}
    resource = new_resource()
    resource.physical_id, resource.properties = "Image-0123", properties
    update = simulation.cloudformation.update(resource, properties)
    simulation.play()

    assert update.outcome
    assert (update.outcome.status, update.outcome.by) == ("FAILED", "answer")
    assert ("ImageTag: missing" if fault == "not valid" else "Timed out waiting") in update.outcome.reason


@pytest.mark.parametrize("seconds", [100.0, 230.0, 245.0, 600.0])
def test_a_rollback_succeeds_however_long_cloudformation_throttled_before(seconds: float) -> None:
    def reply(elapsed: float) -> Exception | None:
        return THROTTLED if elapsed < seconds else None

    simulation = Simulation(never, last_resort=True, question_reply=reply)
    resource = new_resource()
    resource.physical_id, resource.properties = "Image-0123", {"RepositoryName": "team/app"}
    update = simulation.cloudformation.update(resource, {"RepositoryName": "team/app"})
    simulation.cloudformation.set_status(resource.stack_id, BACK)
    simulation.play()

    assert update.outcome
    assert update.outcome.status == "SUCCESS"


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_a_create_and_a_delete_are_answered_without_a_question(kind: str) -> None:
    world = World(FOUND, stack=(THROTTLED,))

    world.run(stack_event(kind, ResourceProperties={"RepositoryName": "team/app"}))

    assert world.stacks.asked == []
    assert world.answer["Status"] == ("FAILED" if kind == "Create" else "SUCCESS")


@pytest.mark.parametrize("service_timeout", ["10", "20", "60"])
def test_an_update_is_answered_before_service_timeout_though_nothing_else_answers(service_timeout: str) -> None:
    clock = FakeClock()
    world = World(NO_REPLY_OF_ECR, stack=(THROTTLED,), clock=clock)
    world.ecr.hang(clock)
    world.stacks.hang(clock)

    world.run(update({**PROPERTIES, "ServiceTimeout": service_timeout}))

    assert world.answer["Status"] == "FAILED"
    assert clock.now() - NOW < float(service_timeout)


@pytest.mark.parametrize("service_timeout", ["10", "60"])
def test_a_rollback_is_answered_before_service_timeout_though_ecr_does_not_answer(service_timeout: str) -> None:
    clock = FakeClock()
    world = World(NO_REPLY_OF_ECR, stack=(BACK,), clock=clock)
    world.ecr.hang(clock)

    world.run(update({**PROPERTIES, "ServiceTimeout": service_timeout}))

    assert world.answer["Status"] == "SUCCESS"
    assert clock.now() - NOW < float(service_timeout)
