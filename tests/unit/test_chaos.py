"""Whatever goes wrong in a wait, its stack gets one answer in time, or needs none. `chaos/claims.py` has the claims."""

from collections import Counter

import pytest

from ecr_image_waiter.core import model, polling
from tests.chaos.planted import BUGS, Bug, caught, planted
from tests.chaos.suite import ENOUGH, LEAST_HITS, Result, failures, run, run_all, table, total
from tests.chaos.world import HITS, plan

FIRST = 1
RUNS = 200


def test_after_two_hundred_runs_of_random_faults_no_claim_is_broken_and_each_fault_has_hit() -> None:
    results = run_all(FIRST, RUNS, processes=1)

    hits = total(results)
    assert failures(results) == []
    assert {fault for fault, _ in HITS} == {fault for fault, _ in hits}
    unanswered, requests = sum(r.excused for r in results), sum(r.requests for r in results)
    assert unanswered < requests / 30, "an excuse is an exception"


def test_the_table_of_hits_has_a_row_for_each_fault() -> None:
    assert table(Counter()).row_count == len({fault for fault, _ in HITS})


def test_in_two_thousand_runs_a_fault_that_hits_a_step_too_seldom_is_a_failure() -> None:
    fault, step = HITS[0]
    hits = Counter(dict.fromkeys(HITS, LEAST_HITS) | {HITS[0]: LEAST_HITS - 1})
    results = [Result(seed, [], Counter(), 0, 1) for seed in range(ENOUGH - 1)]

    assert failures([*results[1:], Result(1, [], hits, 0, 1)]) == []
    assert failures([*results, Result(1, [], hits, 0, 1)]) == [f"{fault} hit {step} {LEAST_HITS - 1} times"]


@pytest.mark.parametrize("seed", [3, 40, 1305])
def test_a_seed_gives_the_same_run_again(seed: int) -> None:
    assert plan(seed) == plan(seed)
    assert run(seed) == run(seed)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.title)
def test_a_planted_bug_is_in_the_service_as_long_as_it_is_to_be_and_no_longer(bug: Bug) -> None:
    real = getattr(bug.owner, bug.name)
    with planted(bug) as places:
        assert places > 0
        assert getattr(bug.owner, bug.name) is not real
    assert getattr(bug.owner, bug.name) is real


def test_a_function_that_others_import_is_broken_for_them_as_well() -> None:
    (bug,) = (each for each in BUGS if each.title == "a wait is abandoned although its stack waits")
    with planted(bug):
        assert vars(polling)["still_waits"] is model.still_waits
        assert not model.still_waits(model.StackSeen("UPDATE_IN_PROGRESS"), 0.0)


def test_there_are_enough_planted_bugs_and_no_two_are_the_same() -> None:
    assert len({bug.title for bug in BUGS}) == len(BUGS) >= 43


def test_the_suite_catches_a_planted_bug_and_says_where() -> None:
    (bug,) = (each for each in BUGS if each.title == "the limit moves at each hand-over")
    assert "the limit moved by 10.0 s" in caught(bug)
