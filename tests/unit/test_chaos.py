"""Whatever goes wrong in a wait, its stack gets one answer in time, or needs none. `tests/chaos.py` has the claims."""

import os

import pytest
from rich.console import Console

from tests.chaos import LEAST_HITS, failures, run, run_all, table, total
from tests.chaos_world import HITS, plan
from tests.planted import BUGS, Bug, source_of

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


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_has_its_place_in_today_s_source(bug: Bug) -> None:
    assert bug.wrong in source_of(bug)


def test_there_are_enough_planted_bugs_and_no_two_are_the_same() -> None:
    assert len({(bug.file, bug.right, bug.wrong) for bug in BUGS}) == len(BUGS) >= 15
