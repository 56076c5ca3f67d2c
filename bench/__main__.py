"""Measure the waiter beside its alternatives and write docs/performance.md: `make bench`.

`make bench QUICK=1` is a glance; its report goes where it takes nobody's place, to .output/performance.md.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from sandbox.measure import zipped_bytes
from sandbox.processes import ROOT

from . import processes, waits
from .latency import MEMORIES, OURS, Samples, measure
from .report import Results, write
from .share import calibrate, share_of
from .stage import Stage

_STORM: Final = 0.6
T = TypeVar("T")


def side_by_side(measurements: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """Return what each of several measurements returns that mostly wait."""
    with ThreadPoolExecutor() as pool:
        under_way = {name: pool.submit(measure) for name, measure in measurements.items()}
    return {name: each.result() for name, each in under_way.items()}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs, and only the smaller crowds")
    options = parser.parse_args()
    began = time.monotonic()
    runs, quick = (3, True) if options.quick else (10, False)
    docs = ROOT / (".output" if quick else "docs")

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    results = Results(runs=runs, quick=quick)
    say("a function's share of a core")
    shares = {memory: calibrate(share_of(memory)) for memory in ((128,) if quick else MEMORIES)}
    results.shares = {memory: got for memory, got in shares.items() if got is not None}
    say("whole waits, simulated")
    results.detections = [
        waits.detection(wait, delay, 150 if quick else 300) for delay in (30, 5) for wait in (60, 300, 1200)
    ]
    results.checks = waits.checks_in(1800)
    results.costs = {minutes: waits.cost(60 * minutes) for minutes in (1, 10, 30, 55)}
    results.storms = {f"{OURS}, simulated, pushed after 5 min": waits.storm(_STORM, 300, 20)}
    results.crowds = {f"{OURS}, {size} simulated": waits.crowd(size, 20) for size in ((500,) if quick else (500, 2000))}
    say("build, and start the account")
    with Stage(ROOT / ".output" / "bench") as stage:
        contestants = stage.contestants
        results.samples = {name: Samples(name, zipped_bytes(each.artifact)) for name, each in contestants.items()}
        say("image there, and Delete")
        measure(stage, results.samples, runs, results.shares)
        ours, handwritten, polling = contestants.values()
        say("short waits")
        shots, pushed, seeds = (4, 5.0, 5) if quick else (12, 30.0, 20)
        results.shots = side_by_side(
            {
                f"{OURS}, by default": lambda: processes.detection(stage, ours, 10, shots),
                f"{OURS}, RetryDelaySeconds 5": lambda: processes.detection(
                    stage, ours, 10, shots, RetryDelaySeconds="5"
                ),
                "hand-written, every 10 s": lambda: processes.detection(stage, handwritten, 10, shots),
            }
        )
        say("storm")
        results.storm_pushed = pushed
        results.storms |= side_by_side(
            {
                f"{each.name}, real": partial(processes.storm, stage, each, _STORM, pushed, seeds)
                for each in (ours, handwritten, polling)
            }
        )
        if not quick:
            say("twenty at once")
            results.crowds |= {
                f"{each.name}, 20 real": processes.crowd(stage, each, 20, 2.0, 20) for each in (ours, handwritten)
            }
        say("twenty images")
        results.twenties = {
            "one resource": processes.twenty(stage, ours, together=True),
            "twenty resources": processes.twenty(stage, ours, together=False),
        }
    results.seconds = time.monotonic() - began
    missed = write(results, docs)
    say(f"wrote {docs / 'performance.md'}")
    for goal in missed:
        print(f"missed: {goal}")


if __name__ == "__main__":
    main()
