"""What a wait does next, to the second: check, ask about the stack, sleep or hand over."""

from random import Random

import pytest

from ecr_image_waiter.core.deadline import Bounds
from ecr_image_waiter.core.polling import Sleep, Step, first_ask, next_step, pause_before_asking_again
from ecr_image_waiter.core.state import NEVER, Progress
from tests.support.clock import NOW

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
        pytest.param(870, 3000, 900, NEVER - NOW, 0, Step.HAND_OVER, id="the end of the checks, and may not ask"),
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

    assert next_step(bounds, progress, NOW + now, checks_end=CHECKS_END, window=870.0) == step


@pytest.mark.parametrize(("asked", "step"), [(25, Step.ASK), (25.5, Step.HAND_OVER)])
def test_an_answer_is_fresh_for_a_quarter_of_a_short_invocation(asked: float, step: Step) -> None:
    progress = Progress(due=NOW + 900, asked=NOW + asked, ask_due=NOW + 1000)

    assert next_step(Bounds(NOW, NOW + 3000, NOW + 3000), progress, NOW + 50, checks_end=NOW + 50, window=100) is step


def test_pauses_between_questions_double_up_to_fifteen_seconds_and_spread() -> None:
    random = Random(1)  # noqa: S311  # any seed
    for attempt, longest in enumerate([1.0, 2.0, 4.0, 8.0, 15.0, 15.0], 1):
        pauses = [pause_before_asking_again(attempt, random) for _ in range(500)]
        assert longest / 2 <= min(pauses) < 0.52 * longest
        assert 0.98 * longest < max(pauses) <= longest


def test_the_first_question_comes_after_two_minutes_and_spread_over_more_than_two() -> None:
    random = Random(1)  # noqa: S311  # any seed
    moments = [first_ask(1000.0, random) for _ in range(2000)]
    assert 1120.0 <= min(moments) < 1121.0
    assert 1254.0 < max(moments) <= 1255.0
