"""Whether a stack still waits or rolls back, by its status."""

import botocore.session
import pytest

from ecr_image_waiter.core.model import StackHidden, StackSeen, is_answer, rolls_back, still_waits

STATUSES = frozenset(botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus").enum)
WAITING = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "IMPORT_IN_PROGRESS", "REVIEW_IN_PROGRESS"}
GONE = ""
GOING_BACK = {"ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "IMPORT_ROLLBACK_IN_PROGRESS"}


def test_of_all_statuses_that_botocore_knows_a_stack_waits_or_rolls_back_in_these_alone() -> None:
    assert {status for status in STATUSES | {GONE} if still_waits(StackSeen(status), 1000.0)} == WAITING
    assert {status for status in STATUSES | {GONE} if rolls_back(StackSeen(status))} == GOING_BACK


@pytest.mark.parametrize(
    "found", [StackHidden("Throttling"), StackHidden("AccessDenied", denied=True), StackSeen("NEW_IN_PROGRESS")]
)
def test_in_doubt_a_stack_waits_and_does_not_roll_back(found: StackHidden | StackSeen) -> None:
    assert still_waits(found, 1000.0)
    assert not rolls_back(found)


@pytest.mark.parametrize(("updated_at", "waits"), [(None, True), (900.0, True), (1005.0, True), (1006.0, False)])
def test_a_stack_that_began_another_operation_does_not_wait_for_the_answer_to_an_earlier_one(
    updated_at: float | None, *, waits: bool
) -> None:
    assert still_waits(StackSeen("UPDATE_IN_PROGRESS", updated_at), 1000.0) is waits


def test_a_stack_that_was_seen_or_may_not_be_seen_is_an_answer_and_a_throttled_question_is_none() -> None:
    assert is_answer(StackSeen(""))
    assert is_answer(StackHidden("AccessDenied", denied=True))
    assert not is_answer(StackHidden("Throttling"))
