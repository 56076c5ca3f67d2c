"""Run the whole service through random faults, one seed after another, and hold what came of it against the claims."""

import multiprocessing
import os
from collections import Counter
from dataclasses import dataclass

from rich.console import Console

from tests.chaos.claims import excused, violations
from tests.chaos.world import HITS, ChaosWorld, Hit, elapsed, plan

LEAST_HITS = 20
"""Of each fault at each step, from this many runs on."""
ENOUGH = 2000


@dataclass(frozen=True)
class Result:
    """What came of one run."""

    seed: int
    violations: list[str]
    hits: Counter[Hit]
    excused: int
    requests: int


def run(seed: int) -> Result:
    """Run one seed."""
    world = ChaosWorld(plan(seed))
    try:
        world.run_plan()
    except AssertionError as error:
        return Result(seed, [f"no end: {error}"], world.hits, 0, 0)
    unanswered = [
        story
        for story in world.stories.values()
        if story.operation.outcome and story.operation.outcome.by == "timeout" and excused(world, story)
    ]
    return Result(seed, violations(world), world.hits, len(unanswered), len(world.cloudformation.operations))


def run_all(first: int, seeds: int, processes: int | None = None) -> list[Result]:
    """Run so many seeds, on all cores unless told otherwise. The results do not depend on how many that are."""
    processes = processes or os.cpu_count() or 1
    if processes == 1 or seeds < 50:
        return [run(seed) for seed in range(first, first + seeds)]
    # Not forked: each process has its own threads and loggers from the start.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return pool.map(run, range(first, first + seeds), chunksize=25)


def failures(results: list[Result]) -> list[str]:
    """Return what is wrong with a suite's results: violations, and faults that hit too seldom."""
    found = [f"seed {result.seed}: {text}" for result in results for text in result.violations]
    hits = total(results)
    if len(results) >= ENOUGH:
        found += [
            f"{fault} hit {step} {hits[fault, step]} times" for fault, step in HITS if hits[fault, step] < LEAST_HITS
        ]
    return found


def total(results: list[Result]) -> Counter[Hit]:
    """Return how often each fault hit each step."""
    return sum((result.hits for result in results), Counter())


def rarest(hits: Counter[Hit]) -> str:
    """Return which fault hit its step the fewest times, and how often."""
    (fault, step), times = min(((hit, hits[hit]) for hit in HITS), key=lambda each: each[1])
    return f"{len(HITS)} pairs of fault and step; the rarest, {fault} at {step}, hit {times} times"


def tell(seed: int, console: Console) -> None:
    """Run one seed and say what happened."""
    world = ChaosWorld(plan(seed))
    world.run_plan()
    console.print(world.plan)
    for record in world.invocations:
        kind = "last resort" if record.for_last_resort else f"chain {record.chain}"
        answers = [status for status, _ in record.puts]
        console.print(
            f"{elapsed(record.began):8.1f} to {elapsed(record.ended):8.1f} s  invocation {record.number}, {kind}: "
            f"{len(record.checks)} checks, PUT {answers}, {record.end} {record.error or ''}"
        )
    for why, queued in world.dropped:
        console.print(f"dropped ({why}), accepted at {elapsed(queued.accepted):.1f} s")
    for operation in world.cloudformation.operations:
        outcome = operation.outcome
        if outcome:
            console.print(f"{operation.kind}: {outcome.status} by {outcome.by} at {elapsed(outcome.at):.1f} s")
            console.print(f"    {outcome.reason}", markup=False)
    for (fault, step), times in world.hits.items():
        console.print(f"{fault} hit {step}: {times}")
