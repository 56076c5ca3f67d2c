"""The waiter that teams write by hand, in their own document's words: properties, defaults, behaviour, troubles.

Its default is a check every 30 seconds for 30 minutes, 60 of them; ours looks more often at first, unless told not to.
"""

from itertools import pairwise

import pytest

from sandbox.player import Operation
from tests.simulation import EPOCH, Simulation, denied, never, no_repository, pushed_at

PLAIN = {"RepositoryName": "text-generation", "ImageTag": "latest"}
AS_DOCUMENTED = {**PLAIN, "MaxRetries": "60", "RetryDelaySeconds": "30"}


def outcome_of(simulation: Simulation, create: Operation) -> tuple[str, str, float]:
    simulation.run()
    assert create.outcome
    return create.outcome.status, create.outcome.reason, create.outcome.at - EPOCH


@pytest.mark.parametrize("properties", [AS_DOCUMENTED, PLAIN])
def test_sixty_retries_of_thirty_seconds_are_the_default_and_thirty_minutes(properties: dict[str, str]) -> None:
    simulation = Simulation(never)
    status, reason, seconds = outcome_of(simulation, simulation.create(properties))

    assert status == "FAILED"
    assert 1798 < seconds < 1802
    assert "in 30 min" in reason


def test_a_backoff_rate_of_one_is_its_fixed_rhythm_of_thirty_seconds() -> None:
    simulation = Simulation(never, ecr_latency=lambda _: 0.0)
    outcome_of(simulation, simulation.create({**AS_DOCUMENTED, "BackoffRate": "1"}))

    pauses = [later - earlier for earlier, later in pairwise(simulation.checks)]
    # A hand-over in between costs moments.
    assert pauses[:-1] == pytest.approx([30.0] * (len(pauses) - 1), abs=0.2)
    assert len(simulation.checks) == 61


def test_an_image_that_exists_is_answered_at_once() -> None:
    simulation = Simulation(pushed_at(0))
    status, _, seconds = outcome_of(simulation, simulation.create(AS_DOCUMENTED))

    assert status == "SUCCESS"
    assert seconds < 1
    assert len(simulation.checks) == 1


def test_it_continues_until_the_image_is_found() -> None:
    simulation = Simulation(pushed_at(1200))
    status, _, seconds = outcome_of(simulation, simulation.create(AS_DOCUMENTED))

    assert status == "SUCCESS"
    assert 1200 <= seconds <= 1231


def test_a_repository_that_does_not_exist_fails_within_seconds_and_says_so() -> None:
    simulation = Simulation(lambda _: no_repository())
    status, reason, seconds = outcome_of(simulation, simulation.create(AS_DOCUMENTED))

    assert status == "FAILED"
    assert seconds < 17
    assert "text-generation does not exist" in reason


def test_a_missing_permission_fails_within_a_minute_and_not_at_the_time_out() -> None:
    simulation = Simulation(lambda _: denied())
    status, reason, seconds = outcome_of(simulation, simulation.create(AS_DOCUMENTED))

    assert status == "FAILED"
    assert seconds < 66
    assert "ecr:DescribeImages" in reason


def test_twice_the_retries_are_as_much_as_cloudformation_allows() -> None:
    simulation = Simulation(never)
    _, reason, seconds = outcome_of(simulation, simulation.create({**AS_DOCUMENTED, "MaxRetries": "120"}))

    assert 3358 < seconds < 3362
    assert "shortened from 60 min to end before" in reason


def test_one_resource_for_each_image_and_several_at_once() -> None:
    simulation = Simulation(pushed_at(100))
    creates = [
        simulation.create({"RepositoryName": name, "ImageTag": "latest"})
        for name in ("text-generation", "practice-material")
    ]
    simulation.run()

    outcomes = [create.outcome for create in creates]
    assert [outcome.data["RepositoryName"] for outcome in outcomes if outcome] == [
        "text-generation",
        "practice-material",
    ]


def test_each_check_the_count_and_the_pause_are_in_the_log() -> None:
    simulation = Simulation(pushed_at(100))
    outcome_of(simulation, simulation.create(AS_DOCUMENTED))

    checks = [line for line in simulation.log_lines() if "attempt" in line and "seen" in line]
    assert [line["attempt"] for line in checks] == list(range(1, len(simulation.checks) + 1))
    assert all(0 < line["next_check_in_seconds"] <= 30 for line in checks[:-1])
    assert "next_check_in_seconds" not in checks[-1]
