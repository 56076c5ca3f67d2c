"""What a wait carries from one invocation to the next."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from ecr_image_waiter.aws.self_invoke import HandOver
from ecr_image_waiter.core.deadline import MAX_INVOCATIONS
from ecr_image_waiter.core.messages import HandOverFailed, InvalidRequest
from ecr_image_waiter.core.state import NEVER, STATE_KEY, Progress, State, Streak, continuation, read_state
from tests.support.clock import NOW
from tests.support.fakes import FUNCTION_ARN, FakeLambda, as_client, aws_error, stack_event

STATE = State(
    start=NOW,
    limit=NOW + 1800,
    progress=Progress(
        due=NOW + 870.5,
        checks=31,
        hops=1,
        pause=29.75,
        fault_pause=1.5,
        streak=Streak.ARCHIVED,
        streak_since=NOW + 2.25,
        unanswered=3,
        image_missing=True,
    ),
)
WRITTEN = continuation({}, STATE)[STATE_KEY]
_times = st.floats(NOW, NOW + 3360)
_pauses = st.floats(0, 900)
_states = st.builds(
    State,
    start=st.floats(NOW - 10_000, NOW),
    limit=st.just(NOW + 3360) | st.just(NOW + 3600),
    progress=st.builds(
        Progress,
        due=_times,
        checks=st.integers(100, 4000),
        hops=st.integers(0, MAX_INVOCATIONS),
        pause=_pauses,
        fault_pause=_pauses,
        streak=st.none() | st.sampled_from(Streak),
        streak_since=st.just(0.0) | _times,
        unanswered=st.integers(0, 100),
        image_missing=st.booleans(),
        lost_replies=st.integers(0, 2),
        asked=st.just(0.0) | _times,
        ask_due=st.just(NEVER) | st.floats(NOW, NOW + 3360 + 255),
    ),
).map(lambda state: replace(state, start=max(state.start, state.limit - 3600)))


def carried(state: State) -> Any:
    return json.loads(json.dumps(continuation(stack_event(), state)))[STATE_KEY]


NUMBERS = [
    *((field.name,) for field in fields(State) if field.type in ("float", float)),
    *(("progress", name) for name, value in WRITTEN["progress"].items() if type(value) in (float, int)),
]


@pytest.mark.parametrize("name", NUMBERS, ids=".".join)
@pytest.mark.parametrize("number", [-1e9, -1, 86_401, NOW + 86_400, 1e12, 10**400])
def test_every_number_of_a_state_is_one_that_a_wait_can_reach(name: tuple[str, ...], number: float) -> None:
    forged = json.loads(json.dumps(WRITTEN))
    inner = forged
    for part in name[:-1]:
        inner = inner[part]
    inner[name[-1]] = number

    with pytest.raises(InvalidRequest, match=rf"cannot be read \(.*{name[-1]}"):
        read_state(forged, NOW + 1)


def test_every_number_of_a_state_is_among_those() -> None:
    """`start` and `limit`, and all of the progress but what is said in words."""
    assert [name[-1] for name in NUMBERS] == [
        "start",
        "limit",
        *(name for name in WRITTEN["progress"] if name not in ("run", "image_missing")),
    ]


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
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_state_remembers_is_no_more_than_a_wait_can_carry(forged: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"cannot be read \({named}"):
        read_state({**WRITTEN, **forged}, NOW)


@given(_states)
def test_a_state_survives_its_journey_exactly(state: State) -> None:
    assert read_state(carried(state), NOW) == state


def test_a_continuation_is_the_event_unchanged_and_one_key_more() -> None:
    event = stack_event("Update", OldResourceProperties={"ImageTag": ["odd"]})
    before = json.dumps(event)

    following = continuation(event, STATE)

    assert json.dumps(event) == before
    assert {key: value for key, value in following.items() if key != STATE_KEY} == event
    assert following.keys() - event.keys() == {STATE_KEY}


def test_the_next_continuation_replaces_the_state() -> None:
    later = State(start=NOW, limit=NOW + 1800, progress=Progress(due=NOW + 1740, hops=2))

    following = continuation(continuation(stack_event(), STATE), later)

    assert following.keys() - stack_event().keys() == {STATE_KEY}
    assert read_state(following[STATE_KEY], NOW) == later


def test_fields_that_a_newer_version_adds_do_no_harm() -> None:
    newer = {**WRITTEN, "novelty": 1, "progress": {**WRITTEN["progress"], "novelty": [2]}}

    assert read_state(newer, NOW) == STATE


def test_fields_that_an_older_version_lacks_have_defaults() -> None:
    older = {"start": NOW, "limit": NOW + 60, "progress": {"due": NOW}}

    assert read_state(older, NOW) == State(start=NOW, limit=NOW + 60, progress=Progress(due=NOW))


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        "x",
        5,
        [],
        {},
        {**WRITTEN, "start": "soon"},
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
        *(
            ({**WRITTEN, "progress": {**WRITTEN["progress"], name: -1}}, name)
            for name in ("checks", "hops", "faults", "pause")
        ),
    ],
)
def test_a_state_that_no_wait_can_be_in_is_refused_naming_what_cannot_be(forged: object, named: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"cannot be read \({named}[,)]"):
        read_state(forged, NOW)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*WRITTEN, *WRITTEN["progress"]]) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=8,
)


@given(_json)
def test_any_json_is_a_state_or_an_invalid_request(received: object) -> None:
    try:
        state = read_state(received, NOW)
    except InvalidRequest as error:
        message = str(error)
    else:
        assert isinstance(state, State)
        return
    assert 0 < len(message) <= 400


def test_the_function_is_invoked_asynchronously_with_the_event() -> None:
    client = FakeLambda()
    asked: list[float] = []

    def within(seconds: float) -> Any:
        asked.append(seconds)
        return client

    HandOver(within).to(FUNCTION_ARN, {"a": "é"}, seconds=12.5)

    assert asked == [12.5]
    assert client.events == [{"a": "é"}]
    assert {key: client.calls[0][key] for key in ("FunctionName", "InvocationType")} == {
        "FunctionName": FUNCTION_ARN,
        "InvocationType": "Event",
    }


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            aws_error("AccessDeniedException", "not authorized", status=403, operation="Invoke"),
            ["AccessDeniedException: not authorized", f"lambda:InvokeFunction on {FUNCTION_ARN}"],
        ),
        (EndpointConnectionError(endpoint_url="https://lambda"), ["EndpointConnectionError", "could not be reached"]),
        (ConnectTimeoutError(endpoint_url="https://lambda"), ["ConnectTimeoutError", "could not be reached"]),
        (NoCredentialsError(), ["NoCredentialsError"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_hand_over_that_lambda_does_not_take_says_why(error: Exception, words: list[str]) -> None:
    with pytest.raises(HandOverFailed) as caught:
        HandOver(lambda _: as_client(FakeLambda(error))).to(FUNCTION_ARN, {}, seconds=1.0)

    assert [word for word in words if word not in str(caught.value)] == []


def test_a_throttled_hand_over_does_not_send_people_looking_for_a_permission() -> None:
    throttled = FakeLambda(aws_error("TooManyRequestsException", "Rate Exceeded.", status=429, operation="Invoke"))

    with pytest.raises(HandOverFailed) as caught:
        HandOver(lambda _: as_client(throttled)).to(FUNCTION_ARN, {}, seconds=1.0)

    assert "TooManyRequestsException" in str(caught.value)
    assert "it needs" not in str(caught.value)
