"""Image there, and Delete, in new environments and in warm ones: measurements 1 and 2.

The contestants take turns within each run, so that what disturbs the machine disturbs all of them, and ratios are taken
between those of one run.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sandbox.player import Operation, Resource
from sandbox.rie import Emulator

from .share import held, share_of
from .stage import REPOSITORY, Contestant, Stage, Turn

OURS: Final = "ecr-image-waiter"
MEMORIES: Final = (128, 256, 512)
_TAG: Final = "there"
_WARM: Final = 5
_PATIENCE: Final = 60.0


@dataclass
class Samples:
    """What was measured of one contestant, one list for each quantity, one item for each run; seconds, or bytes."""

    name: str
    artifact_bytes: int
    seen: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, quantity: str, value: float) -> None:
        """Note one run's."""
        self.seen[quantity].append(value)


def measure(stage: Stage, samples: dict[str, Samples], runs: int, memories: Iterable[int]) -> None:
    """Fill in the samples of all contestants.

    Quantities: `cold`, `init`, `handler`, `peak`, `warm`, `delete cold`, `delete warm`, each at a full core; `cold`,
    `billed` (a cold invocation) and `billed again` (the last one) with the MB behind them, of each of `memories`: there
    the processor is held to what that memory gets.
    """
    stage.push(_TAG)
    contestants = list(stage.contestants.values())
    for run in range(runs):
        order = contestants[run % len(contestants) :] + contestants[: run % len(contestants)]
        for contestant in order:
            _at_full_core(stage, contestant, samples[contestant.name])
        for memory in memories:
            for contestant in order:
                _with_little_memory(stage, contestant, samples[contestant.name], memory)


def ratios(ours: Samples, other: Samples, quantity: str) -> list[float]:
    """Return how many times as long ours took, run by run."""
    return [mine / theirs for mine, theirs in zip(ours.seen[quantity], other.seen[quantity], strict=True)]


def _at_full_core(stage: Stage, contestant: Contestant, samples: Samples) -> None:
    with stage.environment(contestant) as environment:
        create = _create(stage, contestant, environment)
        samples.add("cold", _seconds(create, contestant))
        init, handler = environment.durations()
        samples.add("init", init / 1000)
        samples.add("handler", handler / 1000)
        creates = [_create(stage, contestant, environment) for _ in range(_WARM)]
        samples.add("warm", statistics.median(_seconds(each, contestant) for each in creates))
        deletes = [_delete(stage, environment, each.resource) for each in creates]
        samples.add("delete warm", statistics.median(_seconds(each, contestant) for each in deletes))
        samples.add("peak", environment.peak_memory())
    with stage.environment(contestant) as environment:
        samples.add("delete cold", _seconds(_delete(stage, environment, create.resource), contestant))


def _with_little_memory(stage: Stage, contestant: Contestant, samples: Samples, memory: int) -> None:
    environment = stage.environment(contestant)
    with held(share_of(memory), environment), environment:
        create = _create(stage, contestant, environment)
        samples.add(f"cold {memory}", _seconds(create, contestant))
        init, handler = environment.durations()
        samples.add(f"billed {memory}", (init + handler) / 1000)
        samples.add(f"billed again {memory}", environment.handler_durations()[-1] / 1000)


def _create(stage: Stage, contestant: Contestant, environment: Emulator) -> Operation:
    """Create a resource, and return when the environment is free again."""
    turn = Turn(environment.invoke)
    with stage.eventbridge(contestant, environment.invoke) as polling:
        create = stage.create(turn, {"RepositoryName": REPOSITORY, "ImageTag": _TAG})
        turn.over()
        if contestant.polls_every:
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
    booked = contestant.sleeps_on_delete if operation.kind == "Delete" else contestant.polls_every
    return outcome.at - operation.sent + booked
