"""A wait that no stack waits for stops soon, and asking costs CloudFormation next to nothing."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from ecr_image_waiter.core.polling import LAST_ASK
from sandbox.player import Operation
from tests.support.case_selection import few_of
from tests.support.clock import NOW
from tests.support.fakes import STACK_ID, aws_error, stack_event
from tests.support.simulation import EPOCH, Simulation, never
from tests.support.world import World

PROPERTIES = {"RepositoryName": "team/app", "ImageTag": "v1"}
OVER = [
    "CREATE_FAILED",
    "ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "DELETE_COMPLETE",
]
GONE = aws_error("ValidationError", "Stack with id x does not exist")
NOT_FOUND = aws_error("ImageNotFoundException")
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


@pytest.mark.parametrize("seconds", [1.0, 119.0, 300.0, 869.0, 871.0, 1500.0])
def test_a_stack_cancelled_in_a_thirty_minute_wait_is_known_after_four_minutes(seconds: float) -> None:
    simulation, create = cancelled(seconds, seed=int(seconds))

    assert [attempt.counted for attempt in create.attempts] == [False]
    assert simulation.checks[-1] <= EPOCH + seconds + (255.0 if seconds < 120.0 else 211.0)
    stopped = [line for line in simulation.lines if line.get("event") == "stack_no_longer_waits"]
    assert [line["stack_status"] for line in stopped] == ["ROLLBACK_COMPLETE"]
    assert [line["level"] for line in stopped] == ["WARNING"]
    assert simulation.dropped == []


def begun(kind: str, *stack: Any) -> World:
    """Returns a world without the image; an Update asks about its stack once more than a Create does."""
    world = World(NOT_FOUND, stack=stack)
    if kind == "Create":
        world.stacks.describe_stacks(StackName="before the wait")
    return world


@pytest.mark.parametrize("status", [GONE, *OVER], ids=str)
@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_it_is_answered_as_soon_as_the_stack_s_operation_is_seen_to_be_over(status: Any, kind: str) -> None:
    world = begun(kind, "UPDATE_IN_PROGRESS", status)

    world.run(stack_event(kind))

    assert world.functions.calls == []
    assert world.clock.now() < NOW + 600
    # An Update may be the rollback's own, which a FAILED would block.
    if kind == "Update" and status in ("ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"):
        assert world.response["Status"] == "SUCCESS"
    else:
        (line,) = world.lines_of("stack_no_longer_waits")
        assert world.response["Status"] == "FAILED"
        assert world.response["Reason"].startswith("Waited ")
        for text in (line["message"], world.response["Reason"]):
            assert ("gone" if status is GONE else status) in text


@pytest.mark.parametrize("kind", ["Create", "Update"])
@pytest.mark.parametrize("updated_after", [60.0, 119.0])
def test_it_is_answered_when_its_stack_was_cancelled_and_updated_again(kind: str, updated_after: float) -> None:
    world = begun(kind, ("UPDATE_IN_PROGRESS", NOW - 20.0), ("UPDATE_IN_PROGRESS", NOW + updated_after))

    world.run(stack_event(kind))

    assert world.response["Status"] == "FAILED"
    assert world.clock.now() < NOW + 300


@pytest.mark.parametrize("updated_after", [-20.0, 2.0])
def test_the_operation_that_a_wait_belongs_to_is_not_taken_for_a_later_one(updated_after: float) -> None:
    world = World(NOT_FOUND, stack=(("UPDATE_IN_PROGRESS", NOW + updated_after),))

    world.run_to_the_end(stack_event("Create"))

    assert world.clock.now() == NOW + 1800


def test_a_throttled_question_is_left_out_and_asked_again_three_minutes_later() -> None:
    simulation, create = cancelled(10.0, question_reply=lambda elapsed: THROTTLED if elapsed < 400.0 else None)

    gaps = [later - earlier for earlier, later in zip(simulation.questions, simulation.questions[1:], strict=False)]
    assert gaps
    assert all(150.0 <= gap <= 211.0 for gap in gaps)
    assert simulation.checks[-1] <= EPOCH + 400.0 + 211.0
    assert [attempt.counted for attempt in create.attempts] == [False]


@pytest.mark.parametrize(("fault", "told"), [(DENIED, ["WARNING"]), (THROTTLED, [])])
def test_in_doubt_the_wait_goes_on_to_its_limit_and_says_so_once_if_it_may_not_ask(
    fault: Exception, told: list[str]
) -> None:
    simulation = Simulation(never, question_reply=lambda _: fault)
    create = simulation.create(PROPERTIES)
    simulation.play()

    assert create.outcome
    assert create.outcome.by == "answer"
    assert "Timed out waiting" in create.outcome.reason
    assert (len(simulation.questions) == 1) is bool(told)
    lines = [line for line in simulation.lines if line.get("event") == "stack_hidden"]
    assert [line["level"] for line in lines] == told


def test_the_wait_of_another_accounts_stack_is_answered_at_its_limit_whatever_is_said_of_that_stack_here() -> None:
    world = World(NOT_FOUND, stack=(GONE,))

    world.run_to_the_end(stack_event("Update", StackId=STACK_ID.replace("123456789012", "210987654321")))

    assert "Timed out waiting" in world.response["Reason"]
    assert world.stacks.asked == []
    assert world.clock.now() == NOW + 1800


@pytest.mark.parametrize("timeout", [10.0, 300.0])
def test_a_function_with_a_short_timeout_asks_when_it_hands_over(timeout: float) -> None:
    simulation, create = cancelled(timeout / 3, {"MaxRetries": str(int(timeout / 10))}, timeout=timeout)

    assert [record.continues for record in simulation.invocations] == [False, False], "the wait and the Delete"
    assert [attempt.counted for attempt in create.attempts] == [False]


@pytest.mark.parametrize("seed", few_of(range(80), every=40))
def test_nobody_asks_just_before_the_limit_because_the_last_check_must_not_come_late(seed: int) -> None:
    simulation = Simulation(never, seed=seed)
    create = simulation.create({**PROPERTIES, "MaxRetries": str(130 + seed), "RetryDelaySeconds": "1"})
    simulation.play()

    limit = create.sent // 1 + 130 + seed
    assert all(moment <= limit - LAST_ASK + 0.1 for moment in simulation.questions)
    assert limit <= simulation.checks[-1] < limit + 1


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
