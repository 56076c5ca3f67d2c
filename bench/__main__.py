"""Measure the waiter beside its alternatives and write docs/performance.md: `make bench`.

`make bench QUICK=1` is a glance; its report goes where it takes nobody's place, to .output/performance.md.
"""

import argparse
import sys
import time

from sandbox.measure import zipped_bytes
from sandbox.processes import ROOT

from . import processes, waits
from .latency import OURS, Samples, measure
from .report import Results, write
from .stage import Stage


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs, and only the smaller crowd")
    quick = parser.parse_args().quick
    began = time.monotonic()
    runs, pushes, pushed, seeds = (3, 150, 5.0, 5) if quick else (10, 300, 30.0, 20)
    docs = ROOT / (".output" if quick else "docs")

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    say("whole waits, simulated")
    results = Results(
        runs=runs,
        quick=quick,
        storm_pushed=pushed,
        detections=[waits.detection(wait, delay, pushes) for delay in (30, 5) for wait in (60, 300, 1200)],
        checks=waits.checks_in(1800),
        costs={minutes: waits.cost(60 * minutes) for minutes in (1, 10, 30, 55)},
        storms={f"{OURS}, simulated, pushed after 5 min": waits.storm(0.6, 300, 20)},
        crowds=[waits.crowd(size, 20) for size in ((500,) if quick else (500, 2000))],
    )
    say("build, and start the account")
    with Stage(ROOT / ".output" / "bench") as stage:
        contestants = stage.contestants
        results.samples = {name: Samples(name, zipped_bytes(each.artifact)) for name, each in contestants.items()}
        say("image there, and Delete")
        measure(stage, results.samples, runs)
        for name, each in contestants.items():
            say(f"storm, {name}")
            results.storms[f"{name}, real"] = processes.storm(stage, each, 0.6, pushed, seeds)
        say("twenty images")
        for name, together in (("one resource", True), ("twenty resources", False)):
            results.twenties[name] = processes.twenty(stage, contestants[OURS], together=together)
    results.seconds = time.monotonic() - began
    missed = write(results, docs)
    say(f"wrote {docs / 'performance.md'}")
    for goal in missed:
        print(f"missed: {goal}")


if __name__ == "__main__":
    main()
