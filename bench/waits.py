"""Whole waits on the simulated clock: detection, cost, storms and crowds.

The service is the real one in the world of `tests.support.simulation`. What it adds to that world: an ECR that
throttles, and boto3's one retry of a throttled call, which the simulation's client does not make.
"""

import math
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any, Final, Self

from tests.support.ecr import Reply
from tests.support.simulation import EPOCH, Simulation, no_image, throttled
from tests.support.world import IN_MEMORY

GIGABYTES: Final = 0.125
_PROPERTIES: Final = {"RepositoryName": "team/app", "ImageTag": "v1", "MaxRetries": "3600", "ServiceTimeout": "3600"}
_RETRY: Final = 1.0  # seconds: boto3's standard mode waits a random part of it before its first retry


def _simulate(
    pushed: float,
    properties: Mapping[str, Any] = MappingProxyType({}),
    *,
    refuses: Callable[[float], bool] = lambda _: False,
    waits: int = 1,
    seed: int = 1,
) -> tuple[Simulation, list[float]]:
    """Run so many waits that begin within a second. Returns also when each call of ECR came.

    `pushed`, what `refuses` gets, and the moments of calls are seconds since the beginning.
    """
    random, calls = Random(seed), list[float]()  # noqa: S311  # repeatable, guards nothing

    def refused(elapsed: float) -> bool:
        calls.append(elapsed)
        return refuses(elapsed)

    def reply(elapsed: float) -> Reply | None:
        if refused(elapsed):
            simulation.clock.sleep(_RETRY * random.random())
            elapsed = simulation.elapsed()
            if refused(elapsed):
                return throttled()
        return IN_MEMORY if elapsed >= pushed else no_image()

    simulation = Simulation(reply, seed=seed)
    for number in range(waits):
        simulation.at(number / waits, lambda: simulation.create(_PROPERTIES | dict(properties)))
    simulation.play(10_000_000)
    return simulation, calls


@dataclass(frozen=True)
class Detection:
    """Waits of one length whose images were pushed at moments spread over it; seconds.

    `of_pause`: as a part of the pause that the backoff had in force when the image was pushed, jitter left out.
    """

    wait: float
    delay: int
    mean: float
    worst: float
    mean_of_pause: float
    worst_of_pause: float
    checks: float


def detection(wait: float, delay: int, pushes: int) -> Detection:
    """Return how long after its push an image is found. A check takes 0.05 s in the simulation, which is in it."""
    late, parts, checks = [], [], []
    random = Random(round(wait) + delay)  # noqa: S311  # repeatable, guards nothing
    for number in range(pushes):
        pushed = wait * (number + random.random()) / pushes
        simulation, _ = _simulate(pushed, {"RetryDelaySeconds": str(delay)}, seed=number)
        moments = [moment - EPOCH for moment in simulation.checks]
        found = bisect_right(moments, pushed)
        # The call of the check before may have been under way at the push, and then found it.
        found = min(found, len(moments) - 1)
        late.append(max(moments[found] - pushed, 0.0))
        # What is documented of the pause, not what the waiter says it does.
        parts.append(late[-1] / min(1.5 ** max(found - 1, 0), delay))
        checks.append(len(moments))
    mean = statistics.mean
    return Detection(wait, delay, mean(late), max(late), mean(parts), max(parts), mean(checks))


def checks_in(wait: float, seeds: int = 20) -> int:
    """Return how many checks a wait that times out makes by default, at most, whatever jitter draws."""
    properties = {"MaxRetries": str(round(wait / 30)), "RetryDelaySeconds": "30"}
    return max(len(_simulate(1e9, properties, seed=seed)[0].checks) for seed in range(seeds))


@dataclass(frozen=True)
class Cost:
    """What one wait takes of Lambda and of ECR. `log_bytes`: what it writes into the log."""

    gigabyte_seconds: float
    invocations: int
    ecr_calls: int
    log_bytes: int = 0


def cost(wait: float) -> Cost:
    """Return what ours takes for an image that comes after so many seconds."""
    simulation, calls = _simulate(wait)
    seconds = sum(record.ended - record.began for record in simulation.invocations)
    return Cost(seconds * GIGABYTES, len(simulation.invocations), len(calls), len(simulation.log.getvalue()))


@dataclass(frozen=True)
class Storm:
    """Waits with a share of ECR's calls throttled: how many succeeded, and how late after the push; seconds."""

    waits: int
    succeeded: int
    mean: float
    worst: float

    @classmethod
    def of(cls, waits: Sequence[float | None]) -> Self:
        """Return what became of waits: how late each one that succeeded was."""
        late = [each for each in waits if each is not None]
        return cls(len(waits), len(late), statistics.mean(late or [0.0]), max(late, default=0.0))


def storm(share: float, pushed: float, seeds: int) -> Storm:
    """Run waits by default, one for each seed, with that share of calls throttled."""

    def run(seed: int) -> float | None:
        draw = Random(seed).random  # noqa: S311  # repeatable, guards nothing
        simulation, _ = _simulate(pushed, refuses=lambda _: draw() < share, seed=seed)
        outcome = simulation.cloudformation.operations[0].outcome
        return outcome.at - EPOCH - pushed if outcome and outcome.status == "SUCCESS" else None

    return Storm.of([run(seed) for seed in range(seeds)])


@dataclass(frozen=True)
class Crowd:
    """Many waits that began within a second, against an ECR that allows so many calls a second.

    `last`, `perfect`: when the last answer came after the push, and when it could have with every call allowed spent on
    another image; seconds. `mean` and `peak`: calls a second after five minutes, until the push.
    """

    waits: int
    allowance: float
    answered: int
    last: float
    perfect: float
    mean: float
    peak: int
    throttled: int


def crowd(waits: int, allowance: float, pushed: float = 900.0) -> Crowd:
    """Run waits by default, all of whose images come at the same moment.

    ECR allows so many calls a second, and as many more at once after a second without any.
    """
    left, at, refused = float(allowance), 0.0, 0

    def refuses(elapsed: float) -> bool:
        nonlocal left, at, refused
        left, at = min(left + (elapsed - at) * allowance, allowance), elapsed
        too_many = left < 1
        refused, left = refused + too_many, left - (not too_many)
        return too_many

    simulation, calls = _simulate(pushed, refuses=refuses, waits=waits)
    outcomes = [each.outcome for each in simulation.cloudformation.operations]
    answered = [outcome.at - EPOCH for outcome in outcomes if outcome and outcome.status == "SUCCESS"]
    each_second = Counter(map(int, calls))
    steady = [each_second[second] for second in range(300, int(pushed))]
    return Crowd(
        waits,
        allowance,
        len(answered),
        max(answered, default=math.inf) - pushed,
        waits / allowance,
        statistics.mean(steady),
        max(steady),
        refused,
    )
