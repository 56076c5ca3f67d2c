"""The whole service in one process, with fakes where the world would be."""

import json
import logging
import runpy
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from ecr_image_waiter import handler
from ecr_image_waiter.aws.clients import UnknownRegion
from ecr_image_waiter.core.messages import DeliveryFailed, GaveUp, InvalidRequest, UnusableEvent
from ecr_image_waiter.core.state import STATE_KEY
from ecr_image_waiter.telemetry import make_logger
from tests.support.clock import NOW, FakeClock
from tests.support.fakes import (
    DIGEST,
    PROPERTIES,
    REPOSITORY_URI,
    REQUEST_ID,
    STACK_ID,
    FakeContext,
    aws_error,
    details,
    leaked,
    response_url,
    signed_query,
    stack_event,
)
from tests.support.world import FOUND, IN_MEMORY, NO_REPLY, SlowLambda, World, short

NOT_FOUND = aws_error("ImageNotFoundException")
NO_REPOSITORY = aws_error("RepositoryNotFoundException")
DENIED = aws_error("AccessDeniedException", "denied", status=400)
REFUSED = aws_error("InvalidParameterException", "Invalid parameter at 'x'")
NOT_ALLOWED = aws_error("AccessDeniedException", "no", status=403, operation="Invoke")
THROTTLED = aws_error("TooManyRequestsException", "Rate Exceeded.", status=429, operation="Invoke")
LOG_STREAM = "(log stream s[1])"

# --- CloudFormation's events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_an_image_that_is_there_is_answered_at_once(kind: str) -> None:
    world = World(FOUND)

    assert world.run(stack_event(kind)) is None

    assert world.response["Status"] == "SUCCESS"
    assert world.response["Data"]["ImageUri"] == f"{REPOSITORY_URI}@{DIGEST}"
    assert (world.response["Data"]["Attempts"], world.response["Data"]["WaitedSeconds"]) == ("1", "0")
    assert (world.clock.sleeps, world.functions.calls) == ([], [])
    assert world.transport.puts[0][0] == response_url()


@pytest.mark.parametrize("properties", [PROPERTIES, {"Nonsense": [None]}, None, ...])
@pytest.mark.parametrize("more", [{}, {STATE_KEY: "garbage", "ServiceTimeout": -1}])
def test_a_delete_succeeds_at_once_without_a_call_to_aws(properties: object, more: dict[str, Any]) -> None:
    world = World(DENIED)

    world.run(stack_event("Delete", ResourceProperties=properties, **more))

    assert (world.response["Status"], world.response["PhysicalResourceId"]) == ("SUCCESS", "Image-0123456789abcdef")
    assert (world.ecr.seconds, world.functions.calls, world.clock.sleeps) == ([], [], [])


def test_an_invalid_request_fails_at_once_with_every_fault() -> None:
    world = World()

    world.run(stack_event(ResourceProperties={"RepositoryName": "A", "MaxRetries": "-1", "ImageTags": "v1"}))

    assert world.response["Status"] == "FAILED"
    for fault in ("RepositoryName: received", "MaxRetries: received", "ImageTags: received", "ImageTag: missing"):
        assert fault in world.response["Reason"]
    assert world.response["Reason"].endswith(LOG_STREAM)
    assert world.ecr.seconds == []


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (None, "received null, expected an object: CloudFormation's custom-resource event, or the properties of a "),
        ([], "received a list, expected an object: CloudFormation's custom-resource event, or the properties of a "),
        ({**PROPERTIES, "RequestType": "Create"}, ""),
        (stack_event(ResponseURL=response_url("evil.example")), "ResponseURL: "),
        (stack_event("Delete", ResponseURL="?" + signed_query()), "ResponseURL: "),
        (stack_event(StackId=7), "StackId: received 7, expected a string of 1 to 600 bytes"),
        (stack_event("Delete", StackId=""), "StackId: "),
        (stack_event("Destroy"), 'RequestType: received "Destroy", expected Create, Update or Delete'),
    ],
)
def test_a_garbage_event_is_an_error_in_the_log_and_nothing_else(event: object, said: str) -> None:
    world = World()

    with pytest.raises(UnusableEvent) as caught:
        world.run(event)

    assert [line["level"] for line in world.lines] == ["ERROR"]
    assert str(caught.value).startswith(said)
    assert str(caught.value) in world.lines[0]["message"]
    assert (world.transport.puts, world.ecr.seconds, world.functions.calls) == ([], [], [])
    assert not leaked(world.output)


# --- Waits that end without the image -------------------------------------------------------------------------------


def with_newest_tags(question: dict[str, Any]) -> dict[str, Any]:
    """Answers as an ECR whose repository has another tag only."""
    if "imageIds" in question:
        raise NOT_FOUND
    return details({"imageTags": ["v0.9"], "imagePushedAt": datetime.fromtimestamp(NOW - 3600 * 24 * 3, UTC)})


def without_newest_tags(question: dict[str, Any]) -> dict[str, Any]:
    raise NOT_FOUND if "imageIds" in question else DENIED


NO_REGION = UnknownRegion(
    region="eu-wset-1", nearest="eu-west-1", endpoint_url="https://api.ecr.eu-wset-1.amazonaws.com"
)


@pytest.mark.parametrize(
    ("reply", "properties", "seconds", "words"),
    [
        (NO_REGION, {"Region": "eu-wset-1"}, 60, ['ECR has no host in "eu-wset-1" (nearest known: "eu-west-1")']),
        (NO_REPOSITORY, {}, 15, ["set WaitForRepository to true"]),
        (DENIED, {}, 60, ["allow ecr:DescribeImages on arn:aws:ecr:eu-west-1:123456789012:rep"]),
        (REFUSED, {}, 0, ["InvalidParameterException: Invalid parameter at 'x'"]),
        (with_newest_tags, short(), 60, [" 1 min ", "no such image", '"v0.9" (3 days old)', "correct ImageTag"]),
        (without_newest_tags, short(), 60, ["no such image"]),
    ],
    ids=["no region", "no repository", "access denied", "refused", "newest tags", "no newest tags"],
)
def test_a_wait_that_ends_without_the_image_says_why_after_its_time(
    reply: Any, properties: dict[str, Any], seconds: float, words: list[str]
) -> None:
    world = World(reply)

    world.run(stack_event(ResourceProperties={**PROPERTIES, **properties}))

    assert world.clock.now() == NOW + seconds
    assert world.response["Status"] == "FAILED"
    assert [word for word in (*words, "team/app:v1", LOG_STREAM) if word not in world.response["Reason"]] == []
    assert ("newest tags" in world.response["Reason"]) is (reply is with_newest_tags)
    # Of a repository that does not exist, nobody asks for the tags.
    assert reply is not NO_REPOSITORY or all("imageIds" in call for call in world.ecr.asked)


def test_checks_that_ecr_did_not_answer_are_counted_when_it_refuses_in_the_end() -> None:
    world = World(aws_error("ThrottleException"), REFUSED)

    world.run(stack_event())

    assert ", 1 unanswered" in world.response["Reason"]


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError])
def test_an_unexpected_exception_is_answered_without_a_stack_trace(kind: type[Exception]) -> None:
    world = World(NOT_FOUND, hand_overs=(kind("inner detail"),))

    world.run(stack_event())

    assert world.response["Status"] == "FAILED"
    assert f"failed unexpectedly ({kind.__name__})" in world.response["Reason"]
    assert world.response["Reason"].endswith(LOG_STREAM)
    for trace in ("Traceback", "inner detail", "handler.py"):
        assert trace not in world.response["Reason"]
    (line,) = world.lines_of("failed_unexpectedly")
    assert "inner detail" in line["exception"]


def test_an_event_that_lambda_delivers_after_service_timeout_fails_without_a_check() -> None:
    world = World()
    world.clock.time += 3600

    world.run(stack_event())

    assert (world.response["Status"], world.ecr.seconds) == ("FAILED", [])
    assert "after ServiceTimeout" in world.response["Reason"]


@pytest.mark.parametrize(
    ("event", "shortened", "seconds"),
    [
        (stack_event(ServiceTimeout="100"), "The wait is shortened from 1800 to 80 seconds", 80),
        (
            stack_event(ResourceProperties={**PROPERTIES, "MaxRetries": "3600"}),
            "The wait is shortened from 108000 to 3360 seconds",
            3360,
        ),
    ],
)
def test_a_wait_shortened_by_service_timeout_says_so_once_at_the_start_and_at_the_end(
    event: dict[str, Any], shortened: str, seconds: int
) -> None:
    world = World(NOT_FOUND)

    world.run_to_the_end(event)

    (line,) = world.lines_of("wait_shortened")
    assert line["message"].startswith(shortened)
    assert world.lines.index(line) == 0
    assert "; cut from " in world.response["Reason"]
    assert world.clock.now() == NOW + seconds


@pytest.mark.parametrize("after", [0.0, 5.0], ids=["before the wait", "during the wait"])
def test_an_archived_image_is_named_so_at_the_limit_beside_the_newest_tags(after: float) -> None:
    world = World(IN_MEMORY)
    world.ecr.push("team/app", "v0.9")

    def push_archived() -> None:
        digest = world.ecr.push("team/app", content="archived")
        world.ecr.image("team/app", digest).active_from = None

    world.clock.plan(after, push_archived)
    world.clock.sleep(0)

    world.run(stack_event(ResourceProperties=short()))

    *_, before_last, last = seen = [line["seen"] for line in world.lines_of("checked")]
    assert last == "the image is archived"
    # Nobody asks for archived images in between.
    assert before_last == ("the repository has no such image" if after else last)
    assert len(set(seen)) == (2 if after else 1)
    for words in ("restore it or push it again", 'newest tags: "v0.9" (1 min old)'):
        assert words in world.response["Reason"]


def test_archived_images_are_asked_for_at_the_first_and_the_last_check_alone_where_there_is_none() -> None:
    world = World(NOT_FOUND)

    world.run(stack_event(ResourceProperties=short()))

    asked = ["filter" in call for call in world.ecr.asked if "imageIds" in call]
    assert (asked[:3], asked[-2:], asked.count(True)) == ([False, True, False], [False, True], 2)


def test_a_delivery_ends_half_a_second_before_the_invocation() -> None:
    world = World(FOUND, timeout=10, answers=(OSError("down"), *(503,) * 100))
    world.transport.hang(world.clock)

    with pytest.raises(DeliveryFailed):
        world.run(stack_event(ResourceProperties=short()))

    assert world.clock.now() <= NOW + 9.5
    assert len(world.transport.puts) >= 2


# --- Continuations ----------------------------------------------------------------------------------------------------


def test_a_failing_hand_over_is_answered_naming_the_permission_that_is_missing() -> None:
    world = World(NOT_FOUND, hand_overs=(NOT_ALLOWED,))

    world.run(stack_event())

    assert world.response["Status"] == "FAILED"
    for words in ("Waited 14 min 45 s", "(37 checks)", "AccessDeniedException", "lambda:InvokeFunction", LOG_STREAM):
        assert words in world.response["Reason"]
    assert [line["level"] for line in world.lines_of("hand_over_retried", "hand_over_failed")] == ["WARNING"] * 4 + [
        "ERROR"
    ]


@pytest.mark.parametrize("faults", [[THROTTLED], [NO_REPLY, THROTTLED], [NOT_ALLOWED] * 4], ids=len)
def test_a_hand_over_that_fails_at_first_is_tried_again_with_growing_pauses(faults: list[Exception]) -> None:
    world = World(NOT_FOUND, hand_overs=(*faults, None))

    world.run(stack_event())

    assert world.transport.puts == []
    assert world.clock.sleeps[-len(faults) :] == [1.0, 2.0, 4.0, 8.0][: len(faults)]
    assert [event[STATE_KEY]["progress"]["hops"] for event in world.functions.events] == [1] * (len(faults) + 1)
    assert len(world.lines_of("handed_over")) == 1
    warnings_ = world.lines_of("hand_over_retried", "hand_over_failed")
    assert {line["level"] for line in warnings_} == {"WARNING"}
    assert "the next try is in 1 s" in warnings_[0]["message"]


@pytest.mark.parametrize(
    ("faults", "tries"), [([NO_REPLY] * 9, 3), ([NO_REPLY, THROTTLED, NO_REPLY, NO_REPLY, None], 4)]
)
def test_after_a_third_lost_reply_it_is_not_tried_again_because_each_may_have_gone_through(
    faults: list[Exception], tries: int
) -> None:
    world = World(NOT_FOUND, hand_overs=tuple(faults))

    world.run(stack_event())

    assert len(world.functions.calls) == tries
    assert world.response["Status"] == "FAILED"
    assert "could not invoke itself (ReadTimeoutError)" in world.response["Reason"]


def test_lost_replies_are_counted_over_the_whole_wait() -> None:
    world = World(NOT_FOUND, hand_overs=(NO_REPLY, None, NO_REPLY, NO_REPLY, None))
    world.run(stack_event())
    first, second = world.functions.events
    assert (first[STATE_KEY]["progress"]["lost_replies"], second[STATE_KEY]["progress"]["lost_replies"]) == (0, 1)

    world.run(second)

    assert len(world.functions.calls) == 4
    assert world.response["Status"] == "FAILED"


@pytest.mark.parametrize("timeout", [10, 149, 150])
def test_a_hand_over_that_hangs_leaves_time_for_the_answer(timeout: float) -> None:
    world = World(NOT_FOUND, timeout=timeout)
    world.functions = SlowLambda(world.clock)
    retries = str(10 * int(timeout) // 30 or 1)

    world.run(stack_event(ResourceProperties=short(MaxRetries=retries)))

    assert world.response["Status"] == "FAILED"
    assert "could not invoke itself" in world.response["Reason"]
    assert len(world.functions.calls) >= (2 if timeout >= 60 else 1)
    checks_end = NOW + timeout - min(30, timeout / 5)
    # A fifth of the reserve at least.
    assert NOW + timeout - 0.5 - world.clock.now() >= (NOW + timeout - 0.5 - checks_end) / 5


def test_a_wait_of_more_than_fifteen_invocations_is_refused_at_once_with_the_time_out_it_needs() -> None:
    world = World(NOT_FOUND, timeout=60)

    world.run(stack_event())

    assert (world.response["Status"], world.ecr.seconds) == ("FAILED", [])
    reason = world.response["Reason"]
    assert "a wait of 1800 seconds takes 38 invocations" in reason
    needed = int(reason.split("raise the timeout to ")[1].split()[0])

    enough, too_little = World(NOT_FOUND, timeout=needed), World(NOT_FOUND, timeout=needed - 1)
    assert enough.run_to_the_end(stack_event()) <= 15
    assert enough.clock.now() == NOW + 1800
    too_little.run(stack_event())
    assert (too_little.response["Status"], too_little.ecr.seconds) == ("FAILED", [])


def following(world: World, **state: Any) -> dict[str, Any]:
    """Return the continuation of a wait that was handed over, with a state that somebody changed."""
    world.run(stack_event())
    (event,) = world.functions.events
    progress = {**event[STATE_KEY]["progress"], **state.pop("progress", {})}
    return {**event, STATE_KEY: {**event[STATE_KEY], **state, "progress": progress}}


def test_a_state_that_no_wait_can_be_in_fails_without_a_check() -> None:
    world = World(NOT_FOUND)
    event = following(world, limit=NOW - 1)
    looks = len(world.ecr.asked)

    world.run(event)

    assert world.response["Status"] == "FAILED"
    assert f"{STATE_KEY}: " in world.response["Reason"]
    assert "cannot be read (limit" in world.response["Reason"]
    assert len(world.ecr.asked) == looks


def test_a_limit_after_service_timeout_is_none_and_a_check_due_after_it_is_made_at_it() -> None:
    """As in a continuation whose ServiceTimeout somebody has lowered."""
    world = World(NOT_FOUND)
    event = following(world, limit=NOW + 3600, progress={"due": NOW + 3600})

    world.run_to_the_end({**event, "ServiceTimeout": "1200"})

    assert world.clock.now() == NOW + 1200
    assert "allowed: 15" not in world.response["Reason"]


def test_a_continuation_that_comes_after_service_timeout_says_what_there_was_until_then() -> None:
    world = World(NOT_FOUND)
    event = following(world, progress={"checks": 40, "faults": 3})
    world.clock.time = NOW + 3600

    world.run(event)

    assert "(40 checks, 3 unanswered" in world.response["Reason"]


def test_the_invocations_there_were_count_towards_those_that_are_refused() -> None:
    enough, too_many = World(NOT_FOUND), World(NOT_FOUND)

    assert enough.run_to_the_end(following(enough, progress={"hops": 13})) == 2
    assert "Timed out waiting" in enough.response["Reason"]
    too_many.run(following(too_many, progress={"hops": 14}))
    assert "takes 16 invocations" in too_many.response["Reason"]


# --- Delivery -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "answers"), [("Create", (403,)), ("Update", (503,) * 50), ("Delete", (OSError("down"),) * 50)]
)
def test_an_answer_that_cannot_be_delivered_fails_the_invocation(kind: str, answers: tuple[int | Exception]) -> None:
    world = World(answers=answers)

    with pytest.raises(DeliveryFailed):
        world.run(stack_event(kind))

    (line,) = world.lines_of("response_not_sent")
    assert (line["level"], line["RequestType"]) == ("ERROR", kind)
    assert "; it was SUCCESS" in line["message"]
    assert not leaked(world.output)


# --- Direct invocations ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{}, {"ServiceToken": "arn:aws:lambda:eu-west-1:1:function:w"}, {"tf": {"action": "create"}}]
)
def test_a_direct_invocation_returns_the_attributes(more: dict[str, Any]) -> None:
    world = World(NOT_FOUND, NOT_FOUND, FOUND)

    found = world.run({**PROPERTIES, **more})

    assert found is not None
    assert found["ImageUri"] == f"{REPOSITORY_URI}@{DIGEST}"
    assert found["Attempts"] == "2"
    assert world.transport.puts == []
    assert {line["RequestType"] for line in world.lines} == {"Direct"}


def test_a_direct_invocation_waits_within_one_invocation_and_says_that_this_shortened_it() -> None:
    world = World(NOT_FOUND)

    with pytest.raises(GaveUp, match=r"team/app:v1\" .* cut from 30 min by the function's timeout"):
        world.run(PROPERTIES)

    assert world.clock.now() == NOW + 870
    assert (world.transport.puts, world.functions.calls) == ([], [])


def test_an_invalid_direct_invocation_raises_its_faults() -> None:
    world = World()

    with pytest.raises(InvalidRequest, match="ImageTag: missing"):
        world.run({"RepositoryName": "ab"})

    assert [line["level"] for line in world.lines] == ["ERROR"]


def test_terraforms_delete_returns_at_once() -> None:
    world = World()

    assert world.run({**PROPERTIES, "Nonsense": 1, "tf": {"action": "delete", "prev_input": {}}}) == {}

    assert world.ecr.seconds == []


def test_a_direct_invocation_with_no_time_left_raises() -> None:
    with pytest.raises(GaveUp, match="no time to wait"):
        World(NOT_FOUND).run(PROPERTIES, timeout=0.1)


# --- Logs -----------------------------------------------------------------------------------------------------------


def test_each_check_hand_over_and_answer_is_one_json_line_with_the_keys_of_its_request_and_the_time_it_took() -> None:
    world = World(*[NOT_FOUND] * 50, FOUND)

    world.run_to_the_end(stack_event())

    checks, hand_overs, answers = (world.lines_of(event) for event in ("checked", "handed_over", "response_sent"))
    assert (len(checks), len(hand_overs), len(answers)) == (50, 1, 1)
    assert len(world.lines) == 52
    keys = {"StackId": STACK_ID, "LogicalResourceId": "Image", "RequestId": REQUEST_ID, "RequestType": "Create"}
    assert all(line.items() >= {**keys, "InvocationId": "invocation-1"}.items() for line in world.lines)
    elapsed = [line["elapsed_seconds"] for line in checks]
    assert (elapsed[0], hand_overs[0]["elapsed_seconds"]) == (0, 870)
    assert elapsed == sorted(elapsed)


def test_a_check_says_its_number_how_long_it_waited_what_it_saw_and_when_the_next_one_is() -> None:
    world = World(NOT_FOUND, NOT_FOUND, NOT_FOUND, FOUND)

    world.run(stack_event(ResourceProperties=short(BackoffRate="1")))

    first, second, third = world.lines_of("checked")
    assert [line["attempt"] for line in (first, second, third)] == [1, 2, 3]
    assert [line["elapsed_seconds"] for line in (first, second, third)] == [0, 30, 60]
    assert [line.get("next_check_in_seconds") for line in (first, second, third)] == [30, 30, None]
    assert first["seen"] == "the repository has no such image"
    assert DIGEST in third["seen"]


def test_two_waits_in_one_process_leave_nothing_over_between_them() -> None:
    world, fresh = World(NOT_FOUND), World(FOUND)
    world.run(stack_event("Update", ResourceProperties=short(), StackId="first", RequestId="r1", LogicalResourceId="A"))
    before = len(world.lines)

    for each in (world, fresh):
        each.run(stack_event("Delete", StackId="second", RequestId="r2", LogicalResourceId="B"))
    with pytest.raises(UnusableEvent):
        world.run(None)

    assert world.transport.bodies[1] == fresh.response
    answered, garbage = world.lines[before:]
    assert (answered["StackId"], answered["RequestId"], answered["LogicalResourceId"]) == ("second", "r2", "B")
    assert not garbage.keys() & {"StackId", "RequestId", "LogicalResourceId", "RequestType", "status", "image"}


@pytest.mark.parametrize(
    "made",
    [
        partial(World, FOUND),
        partial(World, NOT_FOUND),
        partial(World, NOT_FOUND, hand_overs=(RuntimeError("x"),)),
        partial(World, DENIED, answers=(503, OSError("NewConnectionError"))),
        partial(World, NOT_FOUND, hand_overs=(NOT_ALLOWED,)),
        partial(World, timeout=1),
    ],
    ids=["found", "never", "unexpected", "denied", "no hand-over", "refused"],
)
def test_no_line_of_the_log_at_debug_holds_a_part_of_the_response_urls_query(made: Callable[[], World]) -> None:
    world = made()
    world.run_to_the_end(stack_event())

    assert world.lines
    assert not leaked(world.output)


# --- The process ----------------------------------------------------------------------------------------------------


OPEN = ["AWS_ENDPOINT_URL", "AWS_SAM_LOCAL"]
CLOSED = [
    *(f"AWS_ENDPOINT_URL_{service}" for service in ("ECR", "ECR_PUBLIC", "LAMBDA", "STS", "S3", "CLOUDFORMATION")),
    *("AWS_SAM_CLI", "AWS_LAMBDA_RUNTIME_API", "AWS_EXECUTION_ENV", "LOCALSTACK_HOSTNAME", "DEBUG"),
]


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The process of a function, whose logger is new: Powertools keeps the first level of one for ever."""
    for variable in (*OPEN, *CLOSED, "LOG_LEVEL", "AWS_LAMBDA_FUNCTION_NAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(logging.Logger.manager, "loggerDict", dict(logging.Logger.manager.loggerDict))
    logging.Logger.manager.loggerDict.pop("ecr-image-waiter", None)
    handler._waiter.cache_clear()
    yield monkeypatch
    handler._waiter.cache_clear()


@pytest.mark.parametrize(
    ("given", "level"), [("warning", "WARNING"), ("", "INFO"), ("LOUD", "INFO"), ("5", "INFO"), (None, "INFO")]
)
def test_log_level_sets_the_level_and_anything_unknown_means_info(
    given: str | None, level: str, process: pytest.MonkeyPatch
) -> None:
    if given is not None:
        process.setenv("LOG_LEVEL", given)

    assert logging.getLevelName(make_logger().log_level) == level


@pytest.mark.usefixtures("process")
def test_the_entry_point_serves_one_event_after_another(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnusableEvent, match=r"a host under amazonaws\.com:"):
        handler.lambda_handler(stack_event(ResponseURL=response_url("localhost")), FakeContext(FakeClock()))
    assert handler.lambda_handler({"tf": {"action": "delete"}}, FakeContext(FakeClock())) == {}

    assert [json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()] == ["ERROR", "INFO"]


@pytest.mark.parametrize(
    ("given", "refused_for"),
    [
        *(({variable: "http://127.0.0.1:9"}, "StackId") for variable in OPEN),
        (dict.fromkeys(CLOSED, "http://127.0.0.1:9"), "ResponseURL"),
        (dict.fromkeys(OPEN, ""), "ResponseURL"),
    ],
    ids=len,
)
def test_only_an_emulator_or_a_local_run_is_answered_elsewhere(
    given: dict[str, str], refused_for: str, process: pytest.MonkeyPatch
) -> None:
    for variable, value in given.items():
        process.setenv(variable, value)
    # A URL that is accepted is refused only for what comes after it.
    event = stack_event(ResponseURL="http://127.0.0.1:9/x", StackId=...)

    with pytest.raises(UnusableEvent, match=f"^{refused_for}: "):
        handler.lambda_handler(event, FakeContext(FakeClock()))


@pytest.mark.parametrize("in_lambda", [True, False])
def test_in_lambda_the_service_is_made_before_the_first_event(*, in_lambda: bool, process: pytest.MonkeyPatch) -> None:
    if in_lambda:
        process.setenv("AWS_LAMBDA_FUNCTION_NAME", "waiter")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # runpy's, that the module is imported already: a second copy
        module = runpy.run_module("ecr_image_waiter.handler")

    assert module["_waiter"].cache_info().currsize == int(in_lambda)
