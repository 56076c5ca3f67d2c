"""Where a rule begins and where it ends, to the second and to the word."""

from random import Random

import pytest

from ecr_image_waiter.cfn.event import read_event, start_of_wait
from ecr_image_waiter.core.deadline import Bounds, Invocation
from ecr_image_waiter.core.messages import UnusableEvent, clipped
from ecr_image_waiter.core.model import NoImage, StackFinding, StackHidden
from ecr_image_waiter.core.polling import LAST_ASK, Sleep, Step, next_step, wait
from ecr_image_waiter.core.state import (
    NEVER,
    Abandoned,
    Backoff,
    CheckResult,
    GivenUp,
    Memory,
    PartDone,
    Progress,
    Ready,
)
from tests.support.clock import NOW, FakeClock
from tests.support.fakes import FakeContext, stack_event

OBJECTS = "CloudFormation's custom-resource event, or the properties of a direct invocation"
SLOW = Backoff(delay=900.0, rate=1.0, wait_for_repository=False)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            [],
            f"received a list, expected an object: {OBJECTS}",
        ),
        (stack_event(RequestType="Destroy"), 'RequestType: received "Destroy", expected Create, Update or Delete'),
        (stack_event(StackId=7), "StackId: received 7, expected a string of 1 to 600 bytes"),
        (stack_event(ResponseURL="x"), None),
    ],
)
def test_a_refusal_says_what_was_received_and_what_is_expected(event: object, said: str | None) -> None:
    with pytest.raises(UnusableEvent) as refusal:
        read_event(event, dns_suffix="amazonaws.com", any_host=False)

    assert said is None or str(refusal.value) == said


def test_a_text_of_sixty_characters_is_shown_whole_and_a_longer_one_is_clipped_to_that() -> None:
    assert clipped("x" * 60) == "x" * 60
    assert clipped("x" * 61) == "x" * 57 + "..."


def test_a_request_signed_this_very_moment_starts_now() -> None:
    assert start_of_wait(NOW, NOW) == NOW
    assert start_of_wait(NOW - 7200.0, NOW) == NOW - 7200.0
    assert start_of_wait(NOW - 7201.0, NOW) == NOW


def test_an_invocation_knows_its_time_out_and_names_its_log_where_there_is_one() -> None:
    clock = FakeClock()
    short, unnamed = (Invocation(FakeContext(clock, seconds, stream=""), clock) for seconds in (0.4, 900.0))

    assert (short.timeout, unnamed.timeout) == (1, 900)
    assert unnamed.note == ""


def test_before_the_limit_a_look_takes_no_longer_than_until_it_and_at_the_limit_as_long_as_ever() -> None:
    clock = FakeClock()
    invocation = Invocation(FakeContext(clock, 900.0), clock)
    bounds = Bounds(NOW - 100.0, NOW + 4.0, NOW + 4.0)

    for elapsed, seconds in ((0.0, 4.0), (3.5, 1.0), (4.0, 9.0)):
        clock.time = NOW + elapsed
        assert invocation.deadline.for_check(bounds).per_call(1) == seconds


def asked_at(
    *, ask_due: float, limit: float = 3000.0, timeout: float = 900.0, asked: float = 0.0, due: float = NOW + 899.0
) -> tuple[list[float], Ready | GivenUp | Abandoned | PartDone]:
    """Return when a slice asks, in seconds since it began, and how it ends. It is told to ask again never."""
    clock = FakeClock()
    questions: list[float] = []

    def ask() -> StackFinding:
        questions.append(clock.now() - NOW)
        return StackHidden("AccessDenied", denied=True)

    outcome = wait(
        SLOW,
        Bounds(NOW, NOW + limit, NOW + limit),
        Progress(due=due, asked=asked and NOW + asked, ask_due=ask_due if ask_due == NEVER else NOW + ask_due),
        Memory(),
        checks_end=NOW + timeout,
        check=lambda memory, _: CheckResult(NoImage(), memory),
        checked=lambda _judged, _finding: None,
        ask=ask,
        clock=clock,
        random=Random(1),  # any seed  # noqa: S311  # any seed
    )
    return questions, outcome


def test_a_long_pause_is_broken_to_ask_and_a_question_that_is_due_is_asked_at_once() -> None:
    assert asked_at(ask_due=200.0)[0] == [200.0]
    assert asked_at(ask_due=0.0)[0] == [0.0]
    assert asked_at(ask_due=-50.0)[0] == [0.0]


def test_a_question_is_asked_until_ten_seconds_before_the_limit_and_not_after() -> None:
    assert asked_at(ask_due=500.0, limit=500.0 + LAST_ASK, due=NOW + 510.0)[0] == [500.0]
    assert asked_at(ask_due=500.5, limit=500.0 + LAST_ASK, due=NOW + 510.0)[0] == []


@pytest.mark.parametrize(
    ("timeout", "asked", "asks"),
    [(900.0, 690.0, True), (900.0, 690.5, False), (100.0, 75.0, True), (100.0, 75.5, False), (100.0, 0.0, True)],
)
def test_a_hand_over_asks_unless_the_last_answer_is_fresh(timeout: float, asked: float, asks: bool) -> None:  # noqa: FBT001
    questions, outcome = asked_at(ask_due=2000.0, timeout=timeout, asked=asked, due=NOW + 2000.0)

    assert questions == ([timeout] if asks else [])
    assert isinstance(outcome, PartDone)


def test_who_may_not_ask_does_not_at_a_hand_over_either() -> None:
    assert asked_at(ask_due=NEVER, due=NOW + 2000.0)[0] == []


CHECKS_END = NOW + 870.0


@pytest.mark.parametrize(
    ("now", "limit", "due", "ask_due", "asked", "step"),
    [
        pytest.param(0, 3000, 0, 200, 0, Step.CHECK, id="a check that is due"),
        pytest.param(0, 3000, 30, 200, 0, Sleep(NOW + 30), id="a check that is due later"),
        pytest.param(0, 3000, 300, 200, 0, Sleep(NOW + 200), id="a question before the check"),
        pytest.param(200, 3000, 200, 200, 0, Step.ASK, id="a question with the check"),
        pytest.param(90, 100, 100, 90, 0, Step.ASK, id="a question ten seconds before the limit"),
        pytest.param(91, 100, 100, 90, 0, Sleep(NOW + 100), id="a question nine seconds before the limit"),
        pytest.param(100, 100, 100, 90, 0, Step.CHECK, id="the check at the limit"),
        pytest.param(869, 3000, 900, 1000, 700, Sleep(CHECKS_END), id="a second before the checks end"),
        pytest.param(870, 3000, 900, 1000, 661, Step.HAND_OVER, id="the end of the checks, asked 209 s ago"),
        pytest.param(870, 3000, 900, 1000, 660, Step.ASK, id="the end of the checks, asked 210 s ago"),
        pytest.param(870, 3000, 870, 1000, 700, Step.HAND_OVER, id="a check that is due when the checks end"),
        pytest.param(870, 870, 870, 1000, 700, Step.CHECK, id="a limit at the end of the checks"),
        pytest.param(800, 872, 872, 1000, 700, Sleep(NOW + 867), id="a limit just behind the end of the checks"),
        pytest.param(867, 872, 872, 1000, 700, Step.HAND_OVER, id="five seconds before such a limit"),
    ],
)
def test_the_next_step(
    *, now: float, limit: float, due: float, ask_due: float, asked: float, step: Step | Sleep
) -> None:
    bounds = Bounds(NOW, NOW + limit, NOW + limit)
    progress = Progress(due=NOW + due, asked=NOW + asked, ask_due=NOW + ask_due)

    assert next_step(bounds, progress, NOW + now, checks_end=CHECKS_END, seconds=870.0) == step
