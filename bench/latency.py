"""Image there, and Delete, in new environments and in warm ones.

The contestants take turns within each run, so that what disturbs the machine disturbs all of them, and ratios are taken
between those of one run.
"""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from sandbox.player import Operation, Resource
from sandbox.rie import Emulator

from .stage import REPOSITORY, Contestant, Stage, Turn

OURS: Final = "ecr-image-waiter"
_TAG: Final = "there"
_WARM: Final = 5
_PATIENCE: Final = 60.0


@dataclass
class Samples:
    """What was measured of one contestant, one list for each quantity, one item for each run; seconds, or bytes."""

    name: str
    artifact_bytes: int
    seen: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def measure(stage: Stage, samples: dict[str, Samples], runs: int) -> None:
    """Fill in the samples of all contestants.

    Quantities: `cold`, `init`, `warm`, `delete` (a warm one) and `peak`.
    """
    stage.push(_TAG)
    contestants = list(stage.contestants.values())
    for run in range(runs):
        order = contestants[run % len(contestants) :] + contestants[: run % len(contestants)]
        for contestant in order:
            _measure(stage, contestant, samples[contestant.name].seen)


def _measure(stage: Stage, contestant: Contestant, seen: dict[str, list[float]]) -> None:
    with stage.environment(contestant) as environment:
        seen["cold"].append(_seconds(_create(stage, contestant, environment), contestant))
        seen["init"].append(environment.durations()[0] / 1000)
        creates = [_create(stage, contestant, environment) for _ in range(_WARM)]
        seen["warm"].append(statistics.median(_seconds(each, contestant) for each in creates))
        deletes = [_delete(stage, environment, each.resource) for each in creates]
        seen["delete"].append(statistics.median(_seconds(each, contestant) for each in deletes))
        seen["peak"].append(environment.peak_memory())


def _create(stage: Stage, contestant: Contestant, environment: Emulator) -> Operation:
    """Create a resource, and return when the environment is free again."""
    turn = Turn(environment.invoke)
    with stage.eventbridge(contestant, environment.invoke) as polling:
        create = stage.create(turn, {"RepositoryName": REPOSITORY, "ImageTag": _TAG})
        turn.over()
        if contestant.every:
            polling.run(create)
    return create


def _delete(stage: Stage, environment: Emulator, resource: Resource) -> Operation:
    turn = Turn(environment.invoke)
    delete = stage.delete(turn, resource)
    turn.over()
    return delete


def _seconds(operation: Operation, contestant: Contestant) -> float:
    """Return how long an operation took, with what the contestant would have waited and did not."""
    outcome = operation.wait(_PATIENCE)
    if outcome.status != "SUCCESS":
        raise RuntimeError(f"{contestant.name} failed: {outcome.reason}")
    return outcome.at - operation.sent + contestant.every
