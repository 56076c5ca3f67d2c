"""Crash real processes of the deployed artifact, and hold against them that each wait is answered, once and in time.

`python -m tests.crash [--runs N] [--seed S]` makes that many waits, each of a kind that `cases` draws from the
seed, on the lanes of `lanes`: functions deployed into the sandbox, or under AWS's Runtime Interface Emulator. All
that any process of it prints is then read for parts of a response URL's query.
"""

import argparse
import random
import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Thread

from sandbox.cloud import STACK, Cloud, python_note
from sandbox.processes import ROOT
from tests.crash.cases import HEAD, Case, Kind, Place, Run, plan, rows, violations, violations_of_all
from tests.crash.lanes import DeployedLane, EmulatorLane, Lane, go_through
from tests.policy.leaks import leaks
from tests.support.functions import TIMEOUT, Deployed
from tests.support.isolation import keep_accounts_out_of_reach

LANES = {Place.DEPLOYED: 5, Place.EMULATOR: 1}
"""Functions of each. More of them, and two cores would no longer start a process in time."""


def broken(cloud: Cloud, target: Path) -> Path:
    """Return the folder of a build whose function cannot be imported."""
    shutil.copytree(cloud.artifact.parent, target)
    package = target / cloud.artifact.name / "ecr_image_waiter"
    (package / "handler.py").write_text("import nothing_that_is_there\n")
    shutil.rmtree(package / "__pycache__", ignore_errors=True)
    return target


def deployed(cloud: Cloud, name: str, built: Path | None = None) -> DeployedLane:
    stack = f"{STACK}-{name}"
    parameters = ["LogLevel=DEBUG", "ServiceTokenParameterName=''", f"FunctionName={name}"]
    cloud.deploy_waiter(stack=stack, parameters=parameters, built=built)
    return DeployedLane(cloud, Deployed(cloud, stack, TIMEOUT))


class Suite:
    """One run of it.

    Args:
        cases: the waits to make.
        output: the folder for all that is printed.
    """

    def __init__(self, cases: Sequence[Case], output: Path) -> None:
        self._cases = cases
        self._output = output
        self._lock = Lock()
        self._began = time.monotonic()
        self.runs: list[Run] = []

    def say(self, text: str) -> None:
        with self._lock, (self._output / "printed.txt").open("a") as file:
            print(text, flush=True)
            file.write(text + "\n")

    def run(self) -> None:
        """Go through all cases. Their answers are judged when nothing runs any more."""
        with ExitStack() as stack:
            cloud = stack.enter_context(Cloud(log=self._output / "sandbox"))
            stack.callback(lambda: cloud.write_function_logs(self._output / "cloudwatch.txt"))
            unimportable = Path(stack.enter_context(TemporaryDirectory())) / "broken"
            threads = []
            for place in Place:
                for breaks in (False, True):
                    cases = [c for c in self._cases if c.place is place and (c.kind is Kind.NO_IMPORT) is breaks]
                    if cases and breaks and not unimportable.exists():
                        broken(cloud, unimportable)
                    lanes = self._lanes(cloud, place, len(cases), unimportable if breaks else None)
                    lanes = [stack.enter_context(lane) for lane in lanes]
                    threads.append(Thread(target=go_through, args=(cases, lanes, self._done)))
                    threads[-1].start()
            for thread in threads:
                thread.join()

    def _lanes(self, cloud: Cloud, place: Place, cases: int, built: Path | None) -> list[Lane]:
        wanted = min(cases, 1 if built else LANES[place])
        if place is Place.DEPLOYED:
            names = [f"crash-broken-{number}" if built else f"crash-{number}" for number in range(wanted)]
            return [deployed(cloud, name, built) for name in names]
        artifact = built / cloud.artifact.name if built else None
        return [EmulatorLane(cloud, self._output, artifact) for _ in range(wanted)]

    def _done(self, run: Run) -> None:
        self.runs.append(run)
        status = run.outcome.status if run.outcome else "no outcome"
        self.say(
            f"{time.monotonic() - self._began:6.1f} s  {len(self.runs):4d}/{len(self._cases)}  "
            f"wait {run.case.number:3d}: {run.case.kind}, {run.case.place}: {status}, "
            f"{run.hits} of {len(run.blows)} blows hit"
        )


def table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [
        [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    return "\n".join("  ".join(row) for row in cells)


def report(suite: Suite, cases: Sequence[Case], output: Path) -> int:
    """Say what became of all waits. Returns how much is wrong."""
    wrong = [
        f"wait {run.case.number}: {text}\n  {run.case}\n  {run.blows}" for run in suite.runs for text in violations(run)
    ]
    wrong += violations_of_all(suite.runs)
    if len(suite.runs) < len(cases):
        wrong.append(f"only {len(suite.runs)} of {len(cases)} waits were made")
    suite.say(table([HEAD, *rows(suite.runs)]))
    for text in wrong:
        suite.say(text)
    found = leaks(output)  # in what was just printed as well
    for leak in found:
        # Without the line itself, which this would print once more.
        suite.say(f"{leak.file}:{leak.line}: holds a part of a response URL's query")
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    suite.say(f"leak check: {len(found)} leaks in {size} bytes")
    return len(wrong) + len(found)


def main() -> int:
    """Crash waits. Returns 1 if one ended in any other way than it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=100, help="how many waits (100)")
    parser.add_argument("--seed", type=int, help="what they are drawn from; by default another one each time")
    parser.add_argument("--only", type=int, nargs="*", help="the numbers of the waits to make, of those so drawn")
    parser.add_argument("--output", type=Path, default=ROOT / ".output" / "crash", help="for what is printed; emptied")
    options = parser.parse_args()
    keep_accounts_out_of_reach()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    output = options.output.resolve()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    cases = [case for case in plan(options.runs, seed) if options.only is None or case.number in options.only]
    suite = Suite(cases, output)
    suite.say(f"{len(cases)} waits, seed {seed}. {python_note()}")
    began = time.monotonic()
    try:
        suite.run()
    except Exception:  # noqa: BLE001  # said like all the rest, so that it is read for leaks too
        suite.say(traceback.format_exc())
    wrong = report(suite, cases, output)
    suite.say(f"{wrong} violations, seed {seed}, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
