"""Whole waits on the simulated clock: detection, cost, storms and crowds; measurements 3 to 6.

The service is the real one in the world of `tests.support.simulation`. What it adds to that world: an ECR that
throttles, and boto3's one retry of a throttled call, which the simulation's client does not make.
"""

import math
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests.support.ecr import Reply
from tests.support.simulation import EPOCH, THERE, Simulation, no_image, throttled

GIGABYTES: Final = 0.125
_PROPERTIES: Final = {"RepositoryName": "team/app", "ImageTag": "v1", "MaxRetries": "3600", "ServiceTimeout": "3600"}
_RETRY: Final = 1.0  # seconds: boto3's standard mode waits a random part of it before its first retry


class Ecr:
    """What ECR answers from when an image is there, with calls throttled that `refuses` says.

    Args:
        pushed: when the image comes, in seconds since the beginning.
        refuses: whether a call at this moment is throttled.
        seed: of boto3's jitter.
    """

    def __init__(self, pushed: float, refuses: Callable[[float], bool] = lambda _: False, seed: int = 0) -> None:
        self._pushed = pushed
        self._refuses = refuses
        self._random = Random(seed)  # noqa: S311  # repeatable, guards nothing
        self.simulation: Simulation | None = None
        self.calls: list[float] = []
        """When each call came, in seconds since the beginning."""

    def __call__(self, elapsed: float) -> Reply | None:
        """Answer one call, and its retry if it is throttled."""
        if self._refused(elapsed):
            if self.simulation is None:
                raise RuntimeError("nobody asks")
            self.simulation.clock.sleep(_RETRY * self._random.random())
            elapsed = self.simulation.elapsed()
            if self._refused(elapsed):
                return throttled()
        return THERE if elapsed >= self._pushed else no_image()

    def _refused(self, elapsed: float) -> bool:
        self.calls.append(elapsed)
        return self._refuses(elapsed)


class Allowance:
    """So many calls a second, and as many more at once after a second without any. True: this one is too many."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = 0.0

    def __call__(self, elapsed: float) -> bool:
        """Count a call at this moment, and return whether it is refused."""
        self._left = min(self._left + (elapsed - self._at) * self._rate, self._rate)
        self._at = elapsed
        if self._left < 1.0:
            return True
        self._left -= 1.0
        return False


def _simulate(ecr: Ecr, properties: Mapping[str, Any], waits: int = 1, seed: int = 1) -> Simulation:
    """Run so many waits that begin within a second."""
    simulation = Simulation(ecr, seed=seed)
    ecr.simulation = simulation
    for number in range(waits):
        simulation.at(number / waits, lambda: simulation.create(_PROPERTIES | dict(properties)))
    simulation.play(10_000_000)
    return simulation


@dataclass(frozen=True)
class Detection:
    """Waits of one length whose images were pushed at moments spread over it; seconds."""

    wait: float
    delay: int
    pushes: int
    mean: float
    worst: float
    worst_of_pause: float
    """The worst as a part of the pause that the backoff had in force when the image was pushed, jitter left out."""
    mean_of_pause: float
    checks: float


def detection(wait: float, delay: int, pushes: int) -> Detection:
    """Return how long after its push an image is found. A check takes 0.05 s in the simulation, which is in it."""
    late, parts, checks = [], [], []
    random = Random(round(wait) + delay)  # noqa: S311  # repeatable, guards nothing
    for number in range(pushes):
        pushed = wait * (number + random.random()) / pushes
        simulation = _simulate(Ecr(pushed), {"RetryDelaySeconds": str(delay)}, seed=number)
        moments = [moment - EPOCH for moment in simulation.checks]
        found = bisect_right(moments, pushed)
        # The call of the check before may have been under way at the push, and then found it.
        found = min(found, len(moments) - 1)
        late.append(max(moments[found] - pushed, 0.0))
        parts.append(late[-1] / pause_in_force(found, delay))
        checks.append(len(moments))
    return Detection(
        wait,
        delay,
        pushes,
        statistics.mean(late),
        max(late),
        max(parts),
        statistics.mean(parts),
        statistics.mean(checks),
    )


def pause_in_force(checks: int, delay: int) -> float:
    """Return the pause after so many checks: what is documented of it, not what the waiter says it does."""
    return float(min(1.5 ** max(checks - 1, 0), delay))


def checks_in(wait: float, seeds: int = 20) -> int:
    """Return how many checks a wait that times out makes by default, at most, whatever jitter draws."""
    properties = {"MaxRetries": str(round(wait / 30)), "RetryDelaySeconds": "30"}
    return max(len(_simulate(Ecr(1e9), properties, seed=seed).checks) for seed in range(seeds))


@dataclass(frozen=True)
class Cost:
    """What one wait takes of Lambda and of ECR. `log_bytes`: what it writes into the log."""

    gigabyte_seconds: float
    invocations: int
    ecr_calls: int
    log_bytes: int = 0


def cost(wait: float) -> Cost:
    """Return what ours takes for an image that comes after so many seconds."""
    ecr = Ecr(wait)
    simulation = _simulate(ecr, {})
    seconds = sum(record.ended - record.began for record in simulation.invocations)
    return Cost(seconds * GIGABYTES, len(simulation.invocations), len(ecr.calls), len(simulation.log.getvalue()))


@dataclass(frozen=True)
class Storm:
    """Waits with a share of ECR's calls throttled: how many succeeded, and how late after the push; seconds."""

    waits: int
    succeeded: int
    mean: float
    worst: float


def storm(share: float, pushed: float, seeds: int) -> Storm:
    """Run waits by default, one for each seed, with that share of calls throttled."""
    late = []
    for seed in range(seeds):
        random = Random(seed)  # noqa: S311  # repeatable, guards nothing
        draw = random.random
        simulation = _simulate(Ecr(pushed, lambda _, draw=draw: draw() < share, seed), {}, seed=seed)  # type: ignore[misc]
        outcome = simulation.cloudformation.operations[0].outcome
        if outcome and outcome.status == "SUCCESS":
            late.append(outcome.at - EPOCH - pushed)
    return Storm(seeds, len(late), statistics.mean(late or [0.0]), max(late, default=0.0))


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
    """Run waits by default, all of whose images come at the same moment."""
    refuses, refused = Allowance(allowance), []

    def counting(elapsed: float) -> bool:
        refused.append(refuses(elapsed))
        return refused[-1]

    ecr = Ecr(pushed, counting)
    simulation = _simulate(ecr, {}, waits)
    outcomes = [each.outcome for each in simulation.cloudformation.operations]
    answered = [outcome.at - EPOCH for outcome in outcomes if outcome and outcome.status == "SUCCESS"]
    each_second = Counter(map(int, ecr.calls))
    steady = [each_second[second] for second in range(300, int(pushed))]
    return Crowd(
        waits,
        allowance,
        len(answered),
        max(answered, default=math.inf) - pushed,
        waits / allowance,
        statistics.mean(steady),
        max(steady),
        sum(refused),
    )
