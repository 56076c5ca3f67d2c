"""A handful of the waits of `make crash`, so that they keep working: it makes a hundred."""

from contextlib import ExitStack
from pathlib import Path
from threading import Thread

from sandbox.cloud import Cloud
from tests.crash.cases import After, Case, Kind, Moment, Place, Run, by_last_resort, violations, violations_of_all
from tests.crash.lanes import DeployedLane, EmulatorLane, Lane, go_through
from tests.support.functions import LONG_TIMEOUT, TIMEOUT, Deployed

LIMIT = 12
ONCE = Case(0, Kind.ONCE, Place.DEPLOYED, LIMIT, push_after=6.0, moments=(Moment(After.START, 4.0),))
# So long that no attempt comes after its limit and gives up before it is killed.
EVERY = Case(1, Kind.EVERY, Place.DEPLOYED, 400, pauses=(0.5,))
CHECK = Case(2, Kind.CHECK, Place.EMULATOR, LIMIT)


def test_waits_whose_processes_crash_are_answered_once_and_in_time(
    cloud: Cloud, deployed: dict[int, Deployed], output: Path
) -> None:
    runs: dict[int, Run] = {}

    def done(run: Run) -> None:
        runs[run.case.number] = run

    with ExitStack() as stack:
        lanes: list[Lane] = [
            DeployedLane(cloud, deployed[TIMEOUT]),
            DeployedLane(cloud, deployed[LONG_TIMEOUT]),
            EmulatorLane(cloud, output),
        ]
        threads = [
            Thread(target=go_through, args=([case], [stack.enter_context(lane)], done))
            for case, lane in zip((ONCE, EVERY, CHECK), lanes, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert {number: violations(run) for number, run in sorted(runs.items())} == {0: [], 1: [], 2: []}
    assert violations_of_all(list(runs.values())) == []
    outcomes = [runs[number].outcome for number in range(3)]
    assert [outcome.status for outcome in outcomes if outcome] == ["SUCCESS", "FAILED", "FAILED"]
    assert [by_last_resort(outcome.reason) for outcome in outcomes if outcome] == [False, True, False]
