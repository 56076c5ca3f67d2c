"""A rollback is never blocked: its Update is answered SUCCESS after one look, whatever that finds."""

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from ecr_image_waiter.attributes import attributes
from ecr_image_waiter.findings import OWN, Image, ImageId
from ecr_image_waiter.readiness import Conditions, Wanted
from tests.fakes import DIGEST, PROPERTIES, REPOSITORY_URI, aws_error, details, stack_event
from tests.world import FOUND, World, short

BACK = "UPDATE_ROLLBACK_IN_PROGRESS"
NOT_FOUND = aws_error("ImageNotFoundException")
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


def broken(_: float) -> Any:
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
    (line,) = world.lines_with("The stack is rolling back: SUCCESS without the image")
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


def test_a_fault_of_the_waiter_s_own_does_not_block_it_either() -> None:
    world = World(stack=(BACK,))
    world.ecr.within = broken  # type: ignore[assignment,method-assign]  # of the fake, so that no look can be made
    world.build()

    world.run(update())

    assert world.answer["Status"] == "SUCCESS"
    assert world.answer["Data"]["ImageUri"] == f"{REPOSITORY_URI}:v1"


@pytest.mark.parametrize("stack", HIDDEN)
def test_in_doubt_an_update_is_an_ordinary_one(stack: Any) -> None:
    world = World(NOT_FOUND, FOUND, stack=(stack,))

    world.run(update())

    assert world.answer["Status"] == "SUCCESS"
    assert len(world.ecr.calls) > 1


@pytest.mark.parametrize("stack", HIDDEN)
def test_in_doubt_an_update_that_is_not_valid_is_refused(stack: Any) -> None:
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


@pytest.mark.parametrize("at_first", [aws_error("Throttling"), ReadTimeoutError(endpoint_url="https://cfn")])
def test_an_update_that_began_in_doubt_succeeds_when_its_stack_turns_out_to_roll_back(at_first: Exception) -> None:
    world = World(NOT_FOUND, stack=(at_first, BACK))

    world.run(update())

    assert world.answer["Status"] == "SUCCESS"
    assert world.answer["Data"]["ImageUri"] == f"{REPOSITORY_URI}:v1"
    assert len(world.stacks.asked) == 2


def test_an_update_that_began_before_the_rollback_is_left_unanswered() -> None:
    world = World(NOT_FOUND, stack=("UPDATE_IN_PROGRESS", BACK))

    world.run(update())

    assert world.transport.puts == []
    assert len(world.lines_with(f"Nobody waits for this any more ({BACK})")) == 1


def test_what_was_known_at_the_start_is_known_after_a_hand_over() -> None:
    world = World(NOT_FOUND, stack=("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", BACK), timeout=60)
    world.run(update(short(MaxRetries="10")))
    (handed_over,) = world.functions.events

    world.run(handed_over)

    assert world.transport.puts == []
