"""Waits in real processes: short detections, storms, a crowd of twenty, twenty images; measurements 3, 5, 6, 7."""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

from sandbox.player import Event, Operation
from sandbox.proxy import Rule, throttle

from .stage import Contestant, Stage, Turn
from .waits import Allowance, Crowd, Storm

_DESCRIBE: Final = "ecr:DescribeImages"
_PATIENCE: Final = 300.0


@dataclass(frozen=True)
class Shot:
    """Short waits: the seconds from each push to its answer, and how often ECR was asked in a wait."""

    mean: float
    worst: float
    checks: float


def detection(stage: Stage, contestant: Contestant, wait: float, pushes: int, **properties: str) -> Shot:
    """Return how long after its push an image is answered for; pushes at moments spread over a wait of that length."""
    random = Random(pushes)  # noqa: S311  # repeatable, guards nothing
    pushed = [wait * (number + random.random()) / pushes for number in range(pushes)]
    late, checks = _waits(stage, contestant, pushed, properties=properties)
    return Shot(statistics.mean(late), max(late), statistics.mean(checks))


def storm(stage: Stage, contestant: Contestant, share: float, pushed: float, seeds: int) -> Storm:
    """Run waits side by side, one for each seed, with that share of calls throttled.

    Of one that has itself invoked every two minutes, the image is there before the first of these invocations.
    """
    late, _ = _waits(stage, contestant, [pushed] * seeds, share=share)
    return Storm(seeds, len(late), statistics.mean(late or [0.0]), max(late, default=0.0))


def crowd(stage: Stage, contestant: Contestant, waits: int, allowance: float, pushed: float) -> Crowd:
    """Run waits in as many processes, all of whose images come at the same moment."""
    refuses, lock, moments = Allowance(allowance), threading.Lock(), list[float]()

    def refused(_: object) -> bool:
        with lock:
            moments.append(time.monotonic())
            return refuses(moments[-1] - moments[0])

    with stage.ecr_proxy.rule(rule := Rule(_DESCRIBE, throttle(), where=refused)):
        late, _ = _waits(stage, contestant, [pushed] * waits)
    each_second = Counter(int(moment - moments[0]) for moment in moments)
    return Crowd(
        waits,
        allowance,
        len(late),
        max(late, default=0.0),
        waits / allowance,
        len(moments) / (max(each_second) + 1),
        max(each_second.values()),
        rule.met,
    )


@dataclass(frozen=True)
class Twenty:
    """A wait for twenty images: seconds from the last push to the last answer, and what it took.

    `checks`: of the resource that made the most. `billed`: seconds of all invocations.
    """

    late: float
    ecr_calls: int
    checks: int
    invocations: int
    billed: float


def twenty(stage: Stage, contestant: Contestant, *, together: bool) -> Twenty:
    """Wait for twenty images of one repository, in one resource or in twenty, that come after four seconds."""
    repository = f"twenty/{'one' if together else 'each'}"
    stage.ecr.create_repository(repositoryName=repository)
    tags = [f"v{number}" for number in range(20)]
    images = [{"Id": tag, "RepositoryName": repository, "ImageTag": tag} for tag in tags]
    wanted: list[dict[str, object]] = [{"Images": images}] if together else [_without_id(each) for each in images]
    with stage.service(contestant) as service, ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(lambda _: _warm_up(stage, service.invoke), wanted))
        turns = [Turn(service.invoke) for _ in wanted]
        operations = [stage.create(turn, each) for turn, each in zip(turns, wanted, strict=True)]
        time.sleep(4)
        for tag in tags:
            stage.push(tag, repository)
        there = time.time()
        ends = [_outcome(each) for each in operations]
        for turn in turns:
            turn.over()
        billed = sum(each.handler_durations()[-1] for each in service.environments) / 1000
    checks = [int(str(each.outcome.data["Attempts"])) for each in operations if each.outcome]
    calls = sum(stage.ecr_proxy.counts(repository)[name] for name in (_DESCRIBE, "ecr:BatchGetImage"))
    return Twenty(max(ends) - there, calls, max(checks), len(operations), billed)


def _without_id(image: dict[str, str]) -> dict[str, object]:
    return {name: value for name, value in image.items() if name != "Id"}


def _waits(
    stage: Stage,
    contestant: Contestant,
    pushed: Iterable[float],
    *,
    share: float = 0.0,
    properties: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[float], list[int]]:
    """Run a wait for each push, so many seconds after it began.

    Returns:
        Of each that succeeded, how many seconds after the push; and of each how often ECR was asked.
    """
    moments = list(pushed)
    with stage.service(contestant) as service, ExitStack() as rules, ThreadPoolExecutor(len(moments)) as pool:
        # New environments take seconds when twenty start at once on two cores; each wait begins in one that is up.
        list(pool.map(lambda _: _warm_up(stage, service.invoke), moments))
        polling = rules.enter_context(stage.eventbridge(contestant, service.invoke))

        def run(seed: int) -> tuple[float | None, int]:
            tag = f"{contestant.name}-{stage.number()}"
            repository = f"wait/{tag}"
            stage.ecr.create_repository(repositoryName=repository)
            if share:
                rules.enter_context(
                    stage.ecr_proxy.rule(Rule(_DESCRIBE, throttle(), repository=repository, share=share, seed=seed))
                )
            asked = {"RepositoryName": repository, "ImageTag": "v1", **properties}
            turn = Turn(service.invoke)
            operation = stage.create(turn, asked)
            time.sleep(moments[seed])
            stage.push("v1", repository)
            there = time.time()
            if contestant.polls_every:
                turn.over()
                # What is left of the two minutes before the next invocation is booked.
                there -= polling.run(operation) * contestant.polls_every - moments[seed]
            ended = _outcome(operation)
            success = operation.outcome is not None and operation.outcome.status == "SUCCESS"
            return ended - there if success else None, stage.ecr_proxy.count(_DESCRIBE, repository=repository)

        done = list(pool.map(run, range(len(moments))))
    return [late for late, _ in done if late is not None], [checks for _, checks in done]


def _warm_up(stage: Stage, invoke: Callable[[Event], object]) -> None:
    """Have a Delete answered, which asks nothing of ECR."""
    turn = Turn(invoke)
    stage.delete(turn)
    turn.over()


def _outcome(operation: Operation) -> float:
    return operation.wait(_PATIENCE).at
