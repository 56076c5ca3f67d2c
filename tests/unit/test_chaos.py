"""Whatever goes wrong in a wait, its stack gets one answer in time, or needs none. `chaos/claims.py` has the claims."""

from tests.chaos.planted import BUGS, caught
from tests.chaos.suite import failures, run, run_all
from tests.chaos.world import plan

RUNS = 60


def test_after_sixty_runs_of_random_faults_no_claim_is_broken() -> None:
    results = run_all(1, RUNS, processes=1)

    assert failures(results) == []
    unanswered, requests = sum(r.excused for r in results), sum(r.requests for r in results)
    assert unanswered < requests / 30, "an excuse is an exception"


def test_a_seed_gives_the_same_run_again() -> None:
    assert plan(1305) == plan(1305)
    assert run(1305) == run(1305)


def test_the_suite_catches_a_planted_bug_and_says_where() -> None:
    (bug,) = (each for each in BUGS if each.title == "the limit moves at each hand-over")
    assert "the limit moved by 10.0 s" in caught(bug)
