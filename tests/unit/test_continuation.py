"""What a wait carries from one invocation to the next."""

import json
from dataclasses import asdict
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from ecr_image_waiter.aws.self_invoke import SelfInvoker
from ecr_image_waiter.core.builds import StartedRun
from ecr_image_waiter.core.messages import HandOverFailed, InvalidRequest
from ecr_image_waiter.core.state import STATE_KEY, Progress, State, Streak, continuation, read_state
from tests.support.clock import NOW
from tests.support.fakes import FUNCTION_ARN, FakeLambda, as_client, aws_error, stack_event

STATE = State(
    start=NOW,
    limit=NOW + 1800,
    progress=Progress(
        due=NOW + 870.1,
        checks=31,
        hops=1,
        pause=29.7,
        fault_pause=1.5,
        streak=Streak.ARCHIVED,
        streak_since=NOW + 2.3,
        unanswered=3,
        image_missing=True,
        lost_replies=2,
        asked=NOW + 0.3,
        ask_due=NOW + 1000.9,
    ),
    own=StartedRun("app:1"),
)
WRITTEN = continuation({}, STATE)[STATE_KEY]
NUMBERS = {"start", "limit", *WRITTEN["progress"]} - {"run", "image_missing"}


@pytest.mark.parametrize("name", sorted(NUMBERS))
@pytest.mark.parametrize("number", [-1e9, -1, NOW + 86_400, 10**400])
def test_every_number_of_a_state_is_one_that_a_wait_can_reach(name: str, number: float) -> None:
    forged = json.loads(json.dumps(WRITTEN))
    (forged if name in forged else forged["progress"])[name] = number

    with pytest.raises(InvalidRequest, match=rf"cannot be read \(.*{name}"):
        read_state(forged, NOW + 1)


@pytest.mark.parametrize(
    ("forged", "named"),
    [
        ({"known": {"pushed": {"a": -1.0}}}, r"known\.pushed"),
        ({"known": {"pushed": {"a": 0.0, "b": 1e18}}}, r"known\.pushed"),
        ({"known": {"pushed": {"a": float("nan")}}}, r"known\.pushed"),
        ({"known": {"pushed": {f"{n}": 0.0 for n in range(100_000)}}}, "known"),
        ({"known": {"manifests": {"a": {"media_type": "x" * 600_000}}}}, "known"),
        ({"known": {"configs": {"x" * 600_000: {"platform": {"os": "", "architecture": ""}}}}}, "known"),
        ({"own": {"run": "x" * 301}}, "own"),
    ],
    ids=range(7),
)
def test_what_a_state_remembers_is_no_more_than_a_wait_can_carry(forged: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"cannot be read \({named}"):
        read_state({**WRITTEN, **forged}, NOW)


def test_a_state_survives_its_journey_exactly() -> None:
    assert all(asdict(STATE.progress).values()), "each field differs from its default"
    assert read_state(json.loads(json.dumps(WRITTEN)), NOW) == STATE


def test_a_continuation_is_the_event_unchanged_and_one_key_more_which_the_next_one_replaces() -> None:
    event = stack_event("Update", OldResourceProperties={"ImageTag": ["odd"]})
    before = json.dumps(event)
    later = State(start=NOW, limit=NOW + 1800, progress=Progress(due=NOW + 1740, hops=2))

    following = continuation(continuation(event, STATE), later)

    assert json.dumps(event) == before
    assert {key: value for key, value in following.items() if key != STATE_KEY} == event
    assert read_state(following[STATE_KEY], NOW) == later


def test_fields_that_a_newer_version_adds_do_no_harm_and_those_that_an_older_one_lacks_have_defaults() -> None:
    newer = {**WRITTEN, "novelty": 1, "progress": {**WRITTEN["progress"], "novelty": [2]}}
    older = {"start": NOW, "limit": NOW + 60, "progress": {"due": NOW}}

    assert read_state(newer, NOW) == STATE
    assert read_state(older, NOW) == State(start=NOW, limit=NOW + 60, progress=Progress(due=NOW))


@pytest.mark.parametrize(
    "garbage",
    [
        *(None, "x", [], {}),
        {**WRITTEN, "limit": None},
        {**WRITTEN, "progress": "far"},
        {**WRITTEN, "progress": {}},
        {**WRITTEN, "progress": {"due": NOW, "run": "amok"}},
        {**WRITTEN, "progress": {"due": NOW, "checks": 1.5}},
        {**WRITTEN, "start": float("nan")},
        {**WRITTEN, "limit": float("inf")},
        {**WRITTEN, "version": 2},
        {"\ud800": 1},
    ],
    ids=lambda _: "garbage",
)
def test_a_state_that_is_not_the_waiters_own_is_an_invalid_request(garbage: object) -> None:
    with pytest.raises(InvalidRequest, match=f"{STATE_KEY}: .* cannot be read"):
        read_state(garbage, NOW)


@pytest.mark.parametrize(
    ("forged", "named"),
    [
        ({**WRITTEN, "start": NOW + 0.001}, "start"),
        ({**WRITTEN, "limit": NOW - 0.001}, "limit"),
        ({**WRITTEN, "limit": NOW + 3600.001}, "limit"),
        ({**WRITTEN, "progress": {**WRITTEN["progress"], "due": NOW + 1800.001}}, "due"),
    ],
)
def test_a_state_that_no_wait_can_be_in_is_refused_naming_what_cannot_be(forged: object, named: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"cannot be read \({named}[,)]"):
        read_state(forged, NOW)


def test_the_function_is_invoked_asynchronously_with_the_event() -> None:
    client = Mock()

    SelfInvoker(client).invoke(FUNCTION_ARN, {"a": "é"}, seconds=12.5)

    client.assert_called_once_with(12.5)
    (call,) = client.return_value.invoke.call_args_list
    assert json.loads(call.kwargs.pop("Payload")) == {"a": "é"}
    assert call.kwargs == {"FunctionName": FUNCTION_ARN, "InvocationType": "Event"}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            aws_error("AccessDeniedException", "not authorized", status=403, operation="Invoke"),
            ["AccessDeniedException: not authorized", f"lambda:InvokeFunction on {FUNCTION_ARN}"],
        ),
        (EndpointConnectionError(endpoint_url="https://lambda"), ["EndpointConnectionError", "could not be reached"]),
        (NoCredentialsError(), ["NoCredentialsError"]),
        (aws_error("TooManyRequestsException", "Rate Exceeded.", status=429), ["TooManyRequestsException"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_hand_over_that_lambda_does_not_take_says_why(error: Exception, words: list[str]) -> None:
    with pytest.raises(HandOverFailed) as caught:
        SelfInvoker(lambda _: as_client(FakeLambda(error))).invoke(FUNCTION_ARN, {}, seconds=1.0)

    assert [word for word in words if word not in str(caught.value)] == []
    # No permission is named that exists.
    assert ("allow lambda:InvokeFunction" in str(caught.value)) is words[0].startswith("AccessDenied")
