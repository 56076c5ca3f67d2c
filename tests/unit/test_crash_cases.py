"""The crash suite tells every wait that ended in another way than it must, and when it hit nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.player import CloudFormation, Operation, Put
from tests.crash.cases import SOON, Blow, Case, Kind, Place, Run, violations, violations_of_all
from tests.support.clock import FakeClock

LIMIT = 20
CASE = Case(0, Kind.ONCE, Place.DEPLOYED, LIMIT)
GAVE_UP = "Gave up on app:v1"
DIED = "The waiter function died before it could answer (RetriesExhausted). Lambda says: Worker process died"


class Wait:
    """One wait, with the answers that a test gives."""

    def __init__(self, case: Case = CASE, **changes: Any) -> None:
        self.clock = FakeClock()
        self._player = CloudFormation(lambda _: None, self.clock)
        self.create = self._player.create({"ServiceTimeout": str(case.service_timeout)})
        self.run = replace(Run(case, self.create), **changes)

    def answer(self, status: str, reason: str = "", operation: Operation | None = None, **changes: Any) -> None:
        event = (operation or self.create).event
        url = urlsplit(event["ResponseURL"])
        body = {
            **{key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")},
            "Status": status,
            "Reason": reason,
            "PhysicalResourceId": "the-id",
            "Data": {"ImageDigest": "sha256:1"},
            **changes,
        }
        self._player.receive(Put("PUT", f"{url.path}?{url.query}", {}, json.dumps(body).encode(), self.clock.now()))

    def succeed(self, after: float = 5.0) -> None:
        self.run.pushed_at = self.create.sent + after
        self.clock.sleep(after + 1)
        self.answer("SUCCESS")

    def fail(self, reason: str, after: float = LIMIT) -> None:
        self.clock.sleep(after)
        self.answer("FAILED", reason)
        self.answer("SUCCESS", operation=self.create.follow_up)

    def never_answer(self) -> None:
        self.clock.sleep(1000)
        self._player.expire()


def test_a_wait_that_ended_as_it_must_is_not_complained_of() -> None:
    found, not_found, died = Wait(), Wait(), Wait(deaths=3)
    found.succeed()
    not_found.fail(GAVE_UP)
    died.fail(DIED, after=9)
    assert [violations(wait.run) for wait in (found, not_found, died)] == [[], [], []]


def late(wait: Wait) -> None:
    wait.fail(GAVE_UP, after=LIMIT + SOON + 1)


def of_its_own_accord(wait: Wait) -> None:
    wait.clock.sleep(5)
    wait.answer("SUCCESS")


def with_another_id(wait: Wait) -> None:
    wait.succeed()
    wait.answer("SUCCESS", PhysicalResourceId="another")


def with_a_contradiction(wait: Wait) -> None:
    wait.succeed()
    wait.answer("FAILED", GAVE_UP)


def without_the_delete(wait: Wait) -> None:
    wait.clock.sleep(LIMIT)
    wait.answer("FAILED", GAVE_UP)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (Wait.never_answer, "no answer within ServiceTimeout"),
        (lambda _: None, "the wait has no outcome"),
        (late, "s too late"),
        (of_its_own_accord, "without an image"),
        (lambda wait: wait.fail(GAVE_UP, after=10), "given up before the limit"),
        (lambda wait: wait.fail("The waiter failed unexpectedly (KeyError)"), "another Reason"),
        (lambda wait: wait.fail(DIED), "the last resort answered after 0 deaths"),
        (lambda wait: wait.fail(DIED.partition(" Lambda says")[0]), "the last resort does not name Lambda's error"),
        (with_another_id, "answers with several physical ids"),
        (with_a_contradiction, "answers of the waiter that contradict each other"),
        (without_the_delete, "the Delete after it was not answered SUCCESS"),
    ],
)
def test_a_wait_that_ended_in_another_way_is(end: Callable[[Wait], None], told: str) -> None:
    wait = Wait()
    end(wait)
    assert any(told in text for text in violations(wait.run)), violations(wait.run)


def test_a_failure_although_the_image_was_there_is_one_unless_every_check_of_it_was_kept_from_the_function() -> None:
    wait = Wait(pushed_at=1.0)
    wait.fail(GAVE_UP)
    assert any("although the image was there" in text for text in violations(wait.run))


def test_a_wait_that_a_death_makes_longer_is_one() -> None:
    wait = Wait()
    wait.run.blows.append(Blow("SIGKILL", wait.create.sent + 5, hit=True, noticed=wait.create.sent + 5))
    wait.run.begun = [wait.create.sent - 0.5, wait.create.sent + 7]
    wait.fail(GAVE_UP, after=7 + LIMIT)
    assert any("the wait began anew: [-0.5, 7.0] s" in text for text in violations(wait.run))


def test_kills_that_hit_nothing_fail_the_suite() -> None:
    missed = Run(CASE, blows=[Blow("SIGKILL", 1.0, hit=False, noticed=1.0)])
    assert violations_of_all([missed]) != []
