"""Waits in real processes: storms, and twenty images."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from sandbox.player import Event
from sandbox.proxy import Rule, throttle

from .stage import Contestant, Stage, Turn
from .waits import Storm

_DESCRIBE: Final = "ecr:DescribeImages"
_PATIENCE: Final = 300.0


def storm(stage: Stage, contestant: Contestant, share: float, pushed: float, seeds: int) -> Storm:
    """Run waits side by side, one for each seed, with that share of calls throttled.

    Of one that has itself invoked every two minutes, the image is there before the first of these invocations.
    """
    with stage.service(contestant) as service, ExitStack() as rules, ThreadPoolExecutor(seeds) as pool:
        # New environments take seconds when twenty start at once on two cores; each wait begins in one that is up.
        list(pool.map(lambda _: _warm_up(stage, service.invoke), range(seeds)))
        polling = rules.enter_context(stage.eventbridge(contestant, service.invoke))

        def run(seed: int) -> float | None:
            repository = f"wait/{contestant.name}-{seed}"
            stage.ecr.create_repository(repositoryName=repository)
            rule = Rule(_DESCRIBE, throttle(), repository=repository, share=share, seed=seed)
            rules.enter_context(stage.ecr_proxy.rule(rule))
            turn = Turn(service.invoke)
            operation = stage.create(turn, {"RepositoryName": repository, "ImageTag": "v1"})
            time.sleep(pushed)
            stage.push("v1", repository)
            there = time.time()
            if contestant.every:
                turn.over()
                # What is left of the two minutes before the next invocation is booked.
                there -= polling.run(operation) * contestant.every - pushed
            outcome = operation.wait(_PATIENCE)
            return outcome.at - there if outcome.status == "SUCCESS" else None

        return Storm.of(list(pool.map(run, range(seeds))))


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
    images: list[dict[str, object]] = [{"RepositoryName": repository, "ImageTag": tag} for tag in tags]
    in_one: list[dict[str, object]] = [{"Images": [{"Id": each["ImageTag"], **each} for each in images]}]
    wanted = in_one if together else images
    with stage.service(contestant) as service, ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(lambda _: _warm_up(stage, service.invoke), wanted))
        turns = [Turn(service.invoke) for _ in wanted]
        operations = [stage.create(turn, each) for turn, each in zip(turns, wanted, strict=True)]
        time.sleep(4)
        for tag in tags:
            stage.push(tag, repository)
        there = time.time()
        outcomes = [each.wait(_PATIENCE) for each in operations]
        for turn in turns:
            turn.over()
        billed = sum(each.handler_durations()[-1] for each in service.environments) / 1000
    calls = sum(stage.ecr_proxy.counts(repository)[name] for name in (_DESCRIBE, "ecr:BatchGetImage"))
    checks = max(int(str(each.data["Attempts"])) for each in outcomes)
    return Twenty(max(each.at for each in outcomes) - there, calls, checks, len(operations), billed)


def _warm_up(stage: Stage, invoke: Callable[[Event], object]) -> None:
    """Have a Delete answered, which asks nothing of ECR."""
    turn = Turn(invoke)
    stage.delete(turn)
    turn.over()
