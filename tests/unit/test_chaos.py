"""Whatever goes wrong in a wait, its stack gets one answer in time, or needs none. `chaos/claims.py` has the claims."""

import os
from random import Random

import pytest
from rich.console import Console

from ecr_image_waiter import handler
from ecr_image_waiter.core import stack
from ecr_image_waiter.core.polling import NEVER
from tests.chaos.planted import BUGS, Bug, caught, planted
from tests.chaos.suite import LEAST_HITS, failures, run, run_all, table, total
from tests.chaos.world import HITS, plan

FIRST = int(os.environ.get("CHAOS_FIRST", "1"))
RUNS = 2000


def test_after_two_thousand_runs_of_random_faults_no_claim_is_broken_and_each_fault_has_hit_each_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = run_all(FIRST, RUNS)

    hits = total(results)
    with capsys.disabled():
        print(f"\n{RUNS} runs from seed {FIRST}")
        Console(width=160).print(table(hits))
    assert failures(results) == []
    assert min(hits[hit] for hit in HITS) >= LEAST_HITS
    assert table(hits).row_count == len({fault for fault, _ in HITS})
    unanswered, requests = sum(r.excused for r in results), sum(r.requests for r in results)
    assert unanswered < requests / 30, "an excuse is an exception"


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
    (bug,) = (each for each in BUGS if each.title == "nobody asks about the stack")
    with planted(bug):
        assert vars(handler)["first_ask"] is stack.first_ask
        assert stack.first_ask(0.0, Random()) == NEVER  # noqa: S311  # not looked at


def test_there_are_enough_planted_bugs_and_no_two_are_the_same() -> None:
    assert len({bug.title for bug in BUGS}) == len(BUGS) >= 43


def test_the_suite_catches_a_planted_bug_and_says_where() -> None:
    (bug,) = (each for each in BUGS if each.title == "the limit moves at each hand-over")
    assert "the limit moved by 10.0 s" in caught(bug)
