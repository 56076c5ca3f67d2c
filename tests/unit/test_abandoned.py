"""A wait that no stack waits for stops soon, and asking costs CloudFormation next to nothing."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from ecr_image_waiter.core.polling import LAST_ASK
from sandbox.player import Operation
from tests.support.clock import NOW
from tests.support.fakes import STACK_ID, aws_error, stack_event
from tests.support.few import few_of
from tests.support.simulation import EPOCH, Simulation, never, pushed_at
from tests.support.world import World, short

PROPERTIES = {"RepositoryName": "team/app", "ImageTag": "v1"}
OVER = [
    "",
    "CREATE_FAILED",
    "CREATE_COMPLETE",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "DELETE_IN_PROGRESS",
    "DELETE_COMPLETE",
]
THROTTLED = aws_error("Throttling", operation="DescribeStacks")
DENIED = aws_error("AccessDenied", operation="DescribeStacks")


def cancelled(
    seconds: float, properties: Mapping[str, str] | None = None, **options: Any
) -> tuple[Simulation, Operation]:
    simulation = Simulation(never, **options)
    create = simulation.create({**PROPERTIES, "RetryDelaySeconds": "30", **(properties or {})})
    simulation.at(seconds, lambda: simulation.cloudformation.cancel(create))
    simulation.play()
    return simulation, create


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("seconds", [1.0, 119.0, 300.0, 869.0, 871.0, 1500.0])
def test_a_stack_cancelled_in_a_thirty_minute_wait_is_known_after_four_minutes(seconds: float, seed: int) -> None:
    simulation, create = cancelled(seconds, seed=seed)

    assert [attempt.counted for attempt in create.attempts] == [False]
    assert simulation.checks[-1] <= EPOCH + seconds + (255.0 if seconds < 120.0 else 211.0)
    stopped = [line for line in simulation.lines if line["message"].startswith("The stack no longer waits")]
    assert [line["stack_status"] for line in stopped] == ["ROLLBACK_COMPLETE"]
    assert [line["level"] for line in stopped] == ["WARNING"]
    assert simulation.dropped == []


@pytest.mark.parametrize("status", OVER)
@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_it_is_answered_as_soon_as_the_stack_s_operation_is_seen_to_be_over(status: str, kind: str) -> None:
    stack = aws_error("ValidationError", "Stack with id x does not exist") if status == "" else status
    world = World(aws_error("ImageNotFoundException"), stack=("UPDATE_IN_PROGRESS", stack))
    if kind == "Create":
        world.stacks.describe_stacks(StackName="an Update asks once more")

    world.run(stack_event(kind))

    assert world.functions.calls == []
    assert world.clock.now() < NOW + 600
    # An Update may be the rollback's own, which a FAILED would block.
    rolls_back = kind == "Update" and status.endswith("ROLLBACK_IN_PROGRESS")
    assert world.answer["Status"] == ("SUCCESS" if rolls_back else "FAILED")
    if not rolls_back:
        (line,) = world.lines_with("The stack no longer waits")
        assert (status or "gone") in line["message"]
        assert world.answer["Reason"].startswith("Stopped waiting for team/app:v1 in eu-west-1, checked ")
        assert (status or "gone") in world.answer["Reason"]


@pytest.mark.parametrize("kind", ["Create", "Update"])
@pytest.mark.parametrize("updated_after", [60.0, 70.0, 119.0])
def test_it_is_answered_when_its_stack_was_cancelled_and_updated_again(kind: str, updated_after: float) -> None:
    again = ("UPDATE_IN_PROGRESS", NOW + updated_after)
    world = World(aws_error("ImageNotFoundException"), stack=(("UPDATE_IN_PROGRESS", NOW - 20.0), again))
    if kind == "Create":
        world.stacks.describe_stacks(StackName="an Update asks once more")

    world.run(stack_event(kind))

    assert world.answer["Status"] == "FAILED"
    assert world.clock.now() < NOW + 300


@pytest.mark.parametrize("updated_after", [-3600.0, -20.0, 0.0, 2.0])
def test_the_operation_that_a_wait_belongs_to_is_not_taken_for_a_later_one(updated_after: float) -> None:
    world = World(aws_error("ImageNotFoundException"), stack=(("UPDATE_IN_PROGRESS", NOW + updated_after),))

    world.run_to_the_end(stack_event("Create"))

    assert world.clock.now() == NOW + 1800


def test_a_throttled_question_is_left_out_and_asked_again_three_minutes_later() -> None:
    simulation, create = cancelled(10.0, question_reply=lambda elapsed: THROTTLED if elapsed < 400.0 else None)

    gaps = [later - earlier for earlier, later in zip(simulation.questions, simulation.questions[1:], strict=False)]
    assert gaps
    assert all(150.0 <= gap <= 211.0 for gap in gaps)
    assert simulation.checks[-1] <= EPOCH + 400.0 + 211.0
    assert [attempt.counted for attempt in create.attempts] == [False]


def test_who_may_not_ask_goes_on_to_the_limit_and_says_so_once() -> None:
    simulation = Simulation(never, question_reply=lambda _: DENIED)
    create = simulation.create(PROPERTIES)
    simulation.play()

    assert create.outcome
    assert create.outcome.by == "answer"
    assert "Gave up on team/app:v1" in create.outcome.reason
    assert len(simulation.questions) == 1
    told = [line for line in simulation.lines if "does not tell the function" in line["message"]]
    assert [line["level"] for line in told] == ["WARNING"]


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_the_wait_of_another_accounts_stack_is_answered_at_its_limit_whatever_is_said_of_that_stack_here(
    kind: str,
) -> None:
    gone = aws_error("ValidationError", "Stack with id x does not exist")
    world = World(aws_error("ImageNotFoundException"), stack=(gone,))

    world.run_to_the_end(stack_event(kind, StackId=STACK_ID.replace("123456789012", "210987654321")))

    assert "Gave up on team/app:v1" in world.answer["Reason"]
    assert world.stacks.asked == []
    assert world.clock.now() == NOW + 1800


def test_in_doubt_throughout_the_wait_ends_at_its_limit() -> None:
    simulation = Simulation(never, question_reply=lambda _: THROTTLED)
    create = simulation.create(PROPERTIES)
    simulation.play()

    assert create.outcome
    assert "Gave up on team/app:v1" in create.outcome.reason


def test_a_stack_that_still_waits_gets_its_image() -> None:
    simulation = Simulation(pushed_at(3000.0))
    create = simulation.create({**PROPERTIES, "MaxRetries": "120"})
    simulation.play()

    assert create.outcome
    assert create.outcome.status == "SUCCESS"
    assert len(simulation.questions) > 3000 / 210 - 1


@pytest.mark.parametrize("timeout", [10.0, 60.0, 300.0])
def test_a_function_with_short_slices_asks_at_its_hand_overs(timeout: float) -> None:
    simulation, create = cancelled(timeout / 3, {"MaxRetries": str(int(timeout / 10))}, timeout=timeout)

    assert [record.continues for record in simulation.invocations] == [False, False], "the wait and the Delete"
    assert [attempt.counted for attempt in create.attempts] == [False]


def test_a_hand_over_on_a_fresh_answer_does_without() -> None:
    simulation = Simulation(never)
    simulation.create(PROPERTIES)
    simulation.play()

    handed_over = simulation.invocations[0].ended
    asked = max(moment for moment in simulation.questions if moment <= handed_over)
    assert 1.0 < handed_over - asked <= 211.0


@pytest.mark.parametrize("seed", few_of(range(80)))
def test_nobody_asks_just_before_the_limit_because_the_last_check_must_not_come_late(seed: int) -> None:
    simulation = Simulation(never, seed=seed)
    create = simulation.create({**PROPERTIES, "MaxRetries": str(130 + seed), "RetryDelaySeconds": "1"})
    simulation.play()

    limit = create.sent // 1 + 130 + seed
    assert all(moment <= limit - LAST_ASK + 0.1 for moment in simulation.questions)
    assert limit <= simulation.checks[-1] < limit + 1


def test_a_direct_invocation_asks_nothing_because_no_stack_waits_for_it() -> None:
    world = World(aws_error("ImageNotFoundException"))
    with pytest.raises(Exception, match="Gave up"):
        world.run(short(MaxRetries="20"))
    assert world.stacks.asked == []


@pytest.mark.slow
def test_five_hundred_waits_that_begin_together_ask_fewer_than_four_times_a_second() -> None:
    simulation = Simulation(never)
    for number in range(500):
        simulation.at(
            number / 500, lambda: simulation.create({**PROPERTIES, "RetryDelaySeconds": "300", "MaxRetries": "11"})
        )
    simulation.play(1_000_000)

    questions = simulation.questions
    busiest = max(sum(moment - 60.0 < other <= moment for other in questions) for moment in questions[::10])
    assert len(questions) > 500 * 10
    assert busiest / 60 < 4
    assert Counter(map(int, questions)).most_common(1)[0][1] < 20, "hand-overs come together, questions must not"
