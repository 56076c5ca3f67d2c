"""The whole service in one process, with fakes where the world would be."""

import io
import itertools
import json
import logging
import runpy
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import unquote

import pytest
from aws_lambda_powertools import Logger

from ecr_image_waiter import handler
from ecr_image_waiter.clock import SystemClock
from ecr_image_waiter.continuation import HandOver
from ecr_image_waiter.errors import DeliveryFailed, GaveUp, InvalidRequest, UnusableEvent
from ecr_image_waiter.handler import Waiter
from ecr_image_waiter.logs import make_logger
from ecr_image_waiter.registry import Registry
from ecr_image_waiter.request import STATE_KEY
from ecr_image_waiter.response import Courier
from tests.fakes import (
    DIGEST,
    NOW,
    PROPERTIES,
    REPOSITORY_URI,
    REQUEST_ID,
    STACK_ID,
    FakeClock,
    FakeContext,
    FakeLambda,
    FakeTransport,
    ScriptedEcr,
    aws_error,
    details,
    leaked,
    response_url,
    signed_query,
    stack_event,
)

FOUND = details({"imageTags": ["v1"]})
NOT_FOUND = aws_error("ImageNotFoundException")
NO_REPOSITORY = aws_error("RepositoryNotFoundException")
DENIED = aws_error("AccessDeniedException", "denied", status=400)
LOG_STREAM = "(log stream s[1])"

_names = (f"test-{number}" for number in itertools.count())


class World:
    """A Waiter and everything around it. ECR's script says what it finds, Lambda keeps what is handed over."""

    def __init__(
        self,
        *script: Any,
        timeout: float = 900.0,
        hand_over_fails: Exception | None = None,
        answers: tuple[int | Exception, ...] = (),
    ) -> None:
        self.clock = FakeClock()
        self.ecr = ScriptedEcr(*(script or (FOUND,)))
        self.functions = FakeLambda(hand_over_fails)
        self.transport = FakeTransport(*answers)
        self.timeout = timeout
        self._output = io.StringIO()
        # A name of its own: loggers of the same name share their stream.
        logger = Logger(service=next(_names), level="DEBUG", stream=self._output, use_rfc3339=True, location=None)
        self.waiter = Waiter(
            registry=Registry(self.ecr.within, lambda _, name: REPOSITORY_URI.replace("team/app", name), self.clock),
            hand_over=HandOver(lambda _: self.functions),
            courier=Courier(self.transport, self.clock),
            logger=logger,
            clock=self.clock,
            random=Random(1),  # noqa: S311  # any seed
            dns_suffix="amazonaws.com",
            any_host=False,
        )

    def run(self, event: object, timeout: float | None = None) -> dict[str, str] | None:
        return self.waiter.handle(event, FakeContext(self.clock, timeout or self.timeout))

    def run_to_the_end(self, event: dict[str, Any]) -> int:
        """Run an event and all its continuations; return how many invocations that took."""
        pending = [event]
        for invocations in itertools.count(1):
            before = len(self.functions.calls)
            self.run(pending.pop())
            pending += self.functions.events[before:]
            if not pending:
                return invocations
        raise AssertionError

    @property
    def answer(self) -> dict[str, Any]:
        (answer,) = self.transport.bodies
        return answer

    @property
    def output(self) -> str:
        return self._output.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.splitlines()]

    def lines_with(self, beginning: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if str(line["message"]).startswith(beginning)]


def short(**properties: Any) -> dict[str, Any]:
    """Return properties of a wait of a minute, unless changed."""
    return {**PROPERTIES, "MaxRetries": "2", "RetryDelaySeconds": "30", **properties}


# --- CloudFormation's events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_an_image_that_is_there_is_answered_at_once(kind: str) -> None:
    world = World(FOUND)

    assert world.run(stack_event(kind)) is None

    assert world.answer["Status"] == "SUCCESS"
    assert world.answer["Data"]["ImageUri"] == f"{REPOSITORY_URI}@{DIGEST}"
    assert (world.answer["Data"]["Attempts"], world.answer["Data"]["WaitedSeconds"]) == ("1", "0")
    assert (world.clock.sleeps, world.functions.calls) == ([], [])
    assert world.transport.puts[0][0] == response_url()


def test_an_image_pushed_while_waiting_is_found() -> None:
    world = World(NOT_FOUND, NOT_FOUND, NOT_FOUND, FOUND)

    world.run(stack_event())

    # The first check asks for archived images too.
    assert (world.answer["Status"], world.answer["Data"]["Attempts"]) == ("SUCCESS", "3")


def test_an_update_keeps_the_physical_id_also_when_it_fails() -> None:
    world = World(NOT_FOUND)

    world.run(stack_event("Update", ResourceProperties=short()))

    assert (world.answer["Status"], world.answer["PhysicalResourceId"]) == ("FAILED", "Image-0123456789abcdef")


@pytest.mark.parametrize("properties", [PROPERTIES, {}, {"Nonsense": [None]}, None, [], "x", ...])
@pytest.mark.parametrize("more", [{}, {STATE_KEY: "garbage"}, {"ServiceTimeout": -1}])
def test_a_delete_succeeds_at_once_without_a_call_to_aws(properties: object, more: dict[str, Any]) -> None:
    world = World(DENIED)

    world.run(stack_event("Delete", ResourceProperties=properties, **more))

    assert world.answer["Status"] == "SUCCESS"
    assert (world.ecr.seconds, world.functions.calls, world.clock.sleeps) == ([], [], [])
    assert world.answer["PhysicalResourceId"] == "Image-0123456789abcdef"


def test_an_invalid_request_fails_at_once_with_every_fault() -> None:
    world = World()

    world.run(stack_event(ResourceProperties={"RepositoryName": "A", "MaxRetries": "-1", "ImageTags": "v1"}))

    assert world.answer["Status"] == "FAILED"
    for fault in ("RepositoryName: received", "MaxRetries: received", "ImageTags: received", "ImageTag: missing"):
        assert fault in world.answer["Reason"]
    assert world.answer["Reason"].endswith(LOG_STREAM)
    assert world.ecr.seconds == []


def test_a_continuation_with_a_state_nobody_wrote_fails_at_once() -> None:
    world = World()

    world.run(stack_event(**{STATE_KEY: {"start": "?"}}))

    assert (world.answer["Status"], world.ecr.seconds) == ("FAILED", [])
    assert f"{STATE_KEY}: " in world.answer["Reason"]


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "x",
        {**PROPERTIES, "RequestType": "Create"},
        stack_event(ResponseURL=...),
        stack_event(ResponseURL=response_url("evil.example")),
        stack_event("Delete", ResponseURL="?" + signed_query()),
        stack_event("Delete", StackId=""),
        stack_event("Read"),
    ],
)
def test_a_garbage_event_is_an_error_in_the_log_and_nothing_else(event: object) -> None:
    world = World()

    with pytest.raises(UnusableEvent) as caught:
        world.run(event)

    assert [line["level"] for line in world.lines] == ["ERROR"]
    assert str(caught.value) in world.lines[0]["message"]
    assert (world.transport.puts, world.ecr.seconds, world.functions.calls) == ([], [], [])
    assert not leaked(world.output)


# --- Waits that end without the image -------------------------------------------------------------------------------


def test_a_wait_in_vain_names_the_newest_tags() -> None:
    def ecr(question: dict[str, Any]) -> dict[str, Any]:
        if "imageIds" in question:
            raise NOT_FOUND
        pushed = datetime.fromtimestamp(NOW - 3600 * 24 * 3, UTC)
        return details({"imageTags": ["v0.9"], "imagePushedAt": pushed})

    world = World(ecr)

    world.run(stack_event(ResourceProperties=short()))

    assert world.clock.now() == NOW + 60
    assert world.answer["Status"] == "FAILED"
    for words in ("team/app:v1", "in 1 min", "no such image", "v0.9 (3 days old)", "correct ImageTag", LOG_STREAM):
        assert words in world.answer["Reason"]


@pytest.mark.parametrize("fault", [DENIED, aws_error("ThrottleException"), aws_error("ServerException", status=500)])
def test_when_the_newest_tags_cannot_be_read_nobody_claims_that_there_are_none(fault: Exception) -> None:
    def ecr(question: dict[str, Any]) -> dict[str, Any]:
        raise NOT_FOUND if "imageIds" in question else fault

    world = World(ecr)

    world.run(stack_event(ResourceProperties=short()))

    assert "no such image" in world.answer["Reason"]
    assert "no tagged image" not in world.answer["Reason"]


def test_the_look_for_newest_tags_takes_at_most_five_seconds_and_a_thousand_images() -> None:
    world = World(NOT_FOUND)

    world.run(stack_event(ResourceProperties=short()))

    assert world.ecr.calls[-1]["maxResults"] == 1000
    assert world.ecr.seconds[-1] <= 5.0


def test_no_newest_tags_are_looked_for_in_a_repository_that_does_not_exist() -> None:
    world = World(NO_REPOSITORY)

    world.run(stack_event())

    assert all("imageIds" in call for call in world.ecr.calls)
    assert world.clock.now() == NOW + 15
    assert "set WaitForRepository to true" in world.answer["Reason"]


def test_a_repository_may_be_waited_for() -> None:
    world = World(*[NO_REPOSITORY] * 12, FOUND)

    world.run(stack_event(ResourceProperties={**PROPERTIES, "WaitForRepository": "true"}))

    assert world.answer["Status"] == "SUCCESS"
    assert world.clock.now() > NOW + 15


def test_a_repository_that_ecr_refuses_to_look_into_fails_at_once_with_awss_words() -> None:
    world = World(aws_error("InvalidParameterException", "Invalid parameter at 'x'"))

    world.run(stack_event())

    assert world.clock.sleeps == []
    assert "InvalidParameterException: Invalid parameter at 'x'" in world.answer["Reason"]


def test_throttling_is_waited_out() -> None:
    world = World(*[aws_error("ThrottleException", "Rate exceeded")] * 20, FOUND)

    world.run(stack_event())

    assert (world.answer["Status"], world.answer["Data"]["Attempts"]) == ("SUCCESS", "21")
    assert "ThrottleException: Rate exceeded" in world.lines_with("Checked")[0]["seen"]


def test_access_denied_is_given_up_after_a_minute() -> None:
    world = World(DENIED)

    world.run(stack_event())

    assert world.clock.now() == NOW + 60
    assert (
        "allow ecr:DescribeImages on arn:aws:ecr:eu-west-1:123456789012:repository/team/app" in world.answer["Reason"]
    )


def test_an_unexpected_exception_is_answered_without_a_stack_trace() -> None:
    world = World(RuntimeError("inner detail"))

    world.run(stack_event())

    assert world.answer["Status"] == "FAILED"
    assert "RuntimeError" in world.answer["Reason"]
    assert world.answer["Reason"].endswith(LOG_STREAM)
    for trace in ("Traceback", "inner detail", "handler.py"):
        assert trace not in world.answer["Reason"]
    (line,) = world.lines_with("The wait failed unexpectedly")
    assert "inner detail" in line["exception"]


def test_an_event_that_lambda_delivers_after_service_timeout_fails_without_a_look() -> None:
    world = World()
    world.clock.time += 3600

    world.run(stack_event())

    assert (world.answer["Status"], world.ecr.seconds) == ("FAILED", [])
    assert "ServiceTimeout had passed" in world.answer["Reason"]


def test_a_wait_counts_from_the_moment_cloudformation_signed() -> None:
    world = World(NOT_FOUND)
    world.clock.time += 45

    world.run(stack_event(ResourceProperties=short()))

    assert world.clock.now() == NOW + 60


def test_a_wait_shortened_by_service_timeout_says_so_at_the_start_and_at_the_end() -> None:
    world = World(NOT_FOUND)

    world.run(stack_event(ServiceTimeout="100"))

    (line,) = world.lines_with("The wait is shortened from 1800 to 80 seconds")
    assert world.lines.index(line) == 0
    assert "shortened from 30 min" in world.answer["Reason"]
    assert world.clock.now() == NOW + 80


# --- Hand-overs -----------------------------------------------------------------------------------------------------


def test_a_slice_hands_over_the_event_unchanged_and_gives_no_answer() -> None:
    world = World(NOT_FOUND)
    event = stack_event()

    assert world.run(event) is None

    assert world.transport.puts == []
    assert world.clock.now() == NOW + 870
    (following,) = world.functions.events
    assert {key: value for key, value in following.items() if key != STATE_KEY} == event
    assert (following[STATE_KEY]["start"], following[STATE_KEY]["limit"]) == (NOW, NOW + 1800)
    assert following[STATE_KEY]["progress"]["hops"] == 1
    assert world.functions.calls[0]["FunctionName"] == FakeContext(world.clock).invoked_function_arn


def test_the_longest_wait_ends_in_one_answer_after_at_most_five_invocations() -> None:
    world = World(NOT_FOUND)

    invocations = world.run_to_the_end(stack_event(ResourceProperties={**PROPERTIES, "MaxRetries": "3600"}))

    assert invocations <= 5
    assert world.answer["Status"] == "FAILED"
    assert world.clock.now() == NOW + 3360
    assert world.lines_with("Checked")[-1]["elapsed_seconds"] == 3360


def test_an_image_pushed_during_a_later_slice_is_found_with_the_count_of_all_slices() -> None:
    world = World(*[NOT_FOUND] * 60, FOUND)

    invocations = world.run_to_the_end(stack_event())

    assert invocations == 2
    assert (world.answer["Status"], world.answer["Data"]["Attempts"]) == ("SUCCESS", "60")


def test_the_first_limit_stays_although_the_properties_would_say_another() -> None:
    world = World(NOT_FOUND)
    world.run(stack_event(ResourceProperties=short(MaxRetries="40")))
    (following,) = world.functions.events

    world.run({**following, "ResourceProperties": short()})

    assert world.answer["Status"] == "FAILED"
    assert world.clock.now() == NOW + 1200


def test_a_failing_hand_over_is_answered_naming_the_permission_that_is_missing() -> None:
    world = World(NOT_FOUND, hand_over_fails=aws_error("AccessDeniedException", "no", status=403, operation="Invoke"))

    world.run(stack_event())

    assert world.answer["Status"] == "FAILED"
    for words in ("team/app:v1", "14 min 30 s", "AccessDeniedException", "lambda:InvokeFunction", LOG_STREAM):
        assert words in world.answer["Reason"]
    assert [line["level"] for line in world.lines_with("Hand-over failed")] == ["ERROR"]


def test_a_wait_of_more_than_fifteen_invocations_is_refused_at_once_with_the_time_out_it_needs() -> None:
    world = World(NOT_FOUND, timeout=60)

    world.run(stack_event())

    assert (world.answer["Status"], world.ecr.seconds) == ("FAILED", [])
    reason = world.answer["Reason"]
    assert "a wait of 1800 seconds would take 38 invocations" in reason
    needed = int(reason.split("a time-out of at least ")[1].split()[0])

    enough, too_little = World(NOT_FOUND, timeout=needed), World(NOT_FOUND, timeout=needed - 1)
    assert enough.run_to_the_end(stack_event()) <= 15
    assert enough.clock.now() == NOW + 1800
    too_little.run(stack_event())
    assert (too_little.answer["Status"], too_little.ecr.seconds) == ("FAILED", [])


def test_every_look_fits_the_invocation_it_is_made_in() -> None:
    world = World(NOT_FOUND, timeout=10)

    world.run(stack_event(ResourceProperties=short()))

    assert max(world.ecr.seconds) <= 5.0
    assert world.clock.now() <= NOW + 8


# --- Delivery -------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_taken_at_the_third_attempt_is_delivered() -> None:
    world = World(answers=(503, ConnectionResetError("reset"), 200))

    world.run(stack_event())

    assert len(world.transport.puts) == 3
    assert world.lines_with("Answered SUCCESS")[0]["delivery_attempts"] == 3


@pytest.mark.parametrize(
    ("kind", "answers"), [("Create", (403,)), ("Update", (503,) * 50), ("Delete", (OSError("down"),) * 50)]
)
def test_an_answer_that_cannot_be_delivered_fails_the_invocation(kind: str, answers: tuple[int | Exception]) -> None:
    world = World(answers=answers)

    with pytest.raises(DeliveryFailed):
        world.run(stack_event(kind))

    (line,) = world.lines_with("CloudFormation did not take the answer")
    assert (line["level"], line["RequestType"]) == ("ERROR", kind)
    assert "the answer was SUCCESS" in line["message"]
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

    with pytest.raises(GaveUp, match=r"team/app:v1 .* shortened from 30 min"):
        world.run(PROPERTIES)

    assert world.clock.now() == NOW + 870
    assert (world.transport.puts, world.functions.calls) == ([], [])


def test_a_direct_invocation_that_is_long_enough_waits_to_its_limit() -> None:
    world = World(NOT_FOUND)

    with pytest.raises(GaveUp) as caught:
        world.run(short())

    assert "shortened" not in str(caught.value)
    assert world.clock.now() == NOW + 60


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
    with pytest.raises(GaveUp, match="no time to wait in"):
        World(NOT_FOUND).run(PROPERTIES, timeout=0.1)


# --- Logs -----------------------------------------------------------------------------------------------------------


def test_each_check_hand_over_and_answer_is_one_json_line_with_the_keys_of_its_request() -> None:
    world = World(*[NOT_FOUND] * 50, FOUND)

    world.run_to_the_end(stack_event())

    checks, hand_overs, answers = (world.lines_with(word) for word in ("Checked", "Handed over", "Answered"))
    assert (len(checks), len(hand_overs), len(answers)) == (50, 1, 1)
    assert len(world.lines) == 52
    keys = {"StackId": STACK_ID, "LogicalResourceId": "Image", "RequestId": REQUEST_ID, "RequestType": "Create"}
    assert all(line.items() >= keys.items() for line in world.lines)


def test_a_check_says_its_number_how_long_it_waited_what_it_saw_and_when_the_next_one_is() -> None:
    world = World(NOT_FOUND, NOT_FOUND, NOT_FOUND, FOUND)

    world.run(stack_event(ResourceProperties=short(BackoffRate="1")))

    first, second, third = world.lines_with("Checked")
    assert [line["attempt"] for line in (first, second, third)] == [1, 2, 3]
    assert [line["elapsed_seconds"] for line in (first, second, third)] == [0, 30, 60]
    assert [line.get("next_check_in_seconds") for line in (first, second, third)] == [30, 30, None]
    assert first["seen"] == "the repository has no such image"
    assert DIGEST in third["seen"]


def test_two_waits_in_one_process_leave_nothing_over_between_them() -> None:
    world = World(NOT_FOUND)
    world.run(stack_event("Update", ResourceProperties=short(), StackId="first", RequestId="r1", LogicalResourceId="A"))
    before = len(world.lines)
    fresh = World(FOUND)

    world.run(stack_event("Delete", StackId="second", RequestId="r2", LogicalResourceId="B"))
    with pytest.raises(UnusableEvent):
        world.run(None)

    failed, deleted = world.transport.bodies
    fresh.run(stack_event("Delete", StackId="second", RequestId="r2", LogicalResourceId="B"))
    assert failed["Status"] == "FAILED"
    assert deleted == fresh.answer
    answered, garbage = world.lines[before:]
    assert (answered["StackId"], answered["RequestId"], answered["LogicalResourceId"]) == ("second", "r2", "B")
    assert not garbage.keys() & {"StackId", "RequestId", "LogicalResourceId", "RequestType", "status", "image"}


def test_a_wait_after_one_that_failed_is_answered_as_it_would_be_alone() -> None:
    world = World(*[DENIED] * 3, RuntimeError("x"), FOUND)

    world.run(stack_event(LogicalResourceId="A"))
    world.run(stack_event(LogicalResourceId="B", ResponseURL=response_url(query="x=y")))

    alone = World(FOUND)
    alone.run(stack_event(LogicalResourceId="B", ResponseURL=response_url(query="x=y")))
    assert [body["Status"] for body in world.transport.bodies] == ["FAILED", "SUCCESS"]
    assert world.transport.bodies[1] == alone.answer


@pytest.mark.parametrize(
    "world",
    [
        World(FOUND),
        World(NOT_FOUND),
        World(RuntimeError("x")),
        World(DENIED, answers=(503, OSError("NewConnectionError"))),
        World(NOT_FOUND, hand_over_fails=aws_error("AccessDeniedException")),
        World(timeout=1),
    ],
    ids=["found", "never", "unexpected", "denied", "no hand-over", "refused"],
)
def test_no_line_of_the_log_at_debug_holds_a_part_of_the_response_urls_query(world: World) -> None:
    world.run_to_the_end(stack_event())

    assert world.lines
    assert not leaked(world.output)


@pytest.mark.parametrize("part", signed_query().split("&"), ids=lambda part: part.split("=")[0])
def test_the_search_for_leaks_finds_each_part_of_a_query(part: str) -> None:
    assert leaked(f"seen: {part}")
    assert leaked(f"seen: {unquote(part)}")
    assert not leaked("an innocent line")


# --- The process ----------------------------------------------------------------------------------------------------


def test_the_clock_of_the_machine_goes_on_while_it_sleeps() -> None:
    clock = SystemClock()
    before = clock.now()

    clock.sleep(0.01)

    assert 0.009 < clock.now() - before < 5
    assert abs(before - datetime.now(UTC).timestamp()) < 5


@pytest.fixture
def untouched_logging() -> Iterator[None]:
    """Powertools keeps the first level of a logger for the life of the process; start without one."""
    kept = logging.Logger.manager.loggerDict.pop("ecr-image-waiter", None)
    yield
    logging.Logger.manager.loggerDict.pop("ecr-image-waiter", None)
    if kept is not None:
        logging.Logger.manager.loggerDict["ecr-image-waiter"] = kept


@pytest.mark.usefixtures("untouched_logging")
@pytest.mark.parametrize(
    ("given", "level"),
    [("DEBUG", "DEBUG"), ("warning", "WARNING"), ("", "INFO"), ("LOUD", "INFO"), ("5", "INFO"), (None, "INFO")],
)
def test_log_level_sets_the_level_and_anything_unknown_means_info(
    given: str | None, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    if given is not None:
        monkeypatch.setenv("LOG_LEVEL", given)

    assert logging.getLevelName(make_logger().log_level) == level


@pytest.mark.usefixtures("untouched_logging")
def test_the_entry_point_serves_one_event_after_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_SAM_LOCAL", raising=False)
    handler._waiter.cache_clear()
    try:
        with pytest.raises(UnusableEvent, match=r"a host under amazonaws\.com:"):
            handler.lambda_handler(stack_event(ResponseURL=response_url("localhost")), FakeContext(FakeClock()))
        assert handler.lambda_handler({"tf": {"action": "delete"}}, FakeContext(FakeClock())) == {}
    finally:
        handler._waiter.cache_clear()

    assert [json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()] == ["ERROR", "INFO"]


@pytest.mark.usefixtures("untouched_logging")
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_SAM_LOCAL"])
def test_only_an_emulator_or_a_local_run_is_answered_elsewhere(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    handler._waiter.cache_clear()
    try:
        # Accepted, and so refused only for what comes after the URL.
        with pytest.raises(UnusableEvent, match="StackId"):
            handler.lambda_handler(
                stack_event(ResponseURL="http://127.0.0.1:9/x", StackId=...), FakeContext(FakeClock())
            )
    finally:
        handler._waiter.cache_clear()


@pytest.mark.usefixtures("untouched_logging")
@pytest.mark.parametrize("in_lambda", [True, False])
def test_in_lambda_the_service_is_made_before_the_first_event(
    in_lambda: bool,  # noqa: FBT001  # a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    if in_lambda:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "waiter")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # runpy's, that the module is imported already: a second copy
        module = runpy.run_module("ecr_image_waiter.handler")

    assert module["_waiter"].cache_info().currsize == int(in_lambda)
