"""One invocation after another of the whole service, in one process, with fakes where the world would be.

It shows what one invocation does. What a whole wait does, with Lambda's queue and CloudFormation's rules around it, is
tests/support/simulation.py's.
"""

import io
import itertools
import json
import uuid
import weakref
from collections.abc import Mapping
from random import Random
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ReadTimeoutError

from ecr_image_waiter.aws.cloudformation import Stacks
from ecr_image_waiter.aws.self_invoke import HandOver
from ecr_image_waiter.cfn.response import Courier
from ecr_image_waiter.check import BuildService
from ecr_image_waiter.core.builds import BuilderKind
from ecr_image_waiter.operation import Tools
from ecr_image_waiter.telemetry import Meter, to_json
from ecr_image_waiter.waiter import Waiter
from tests.support.fakes import (
    PROPERTIES,
    REPOSITORY_URI,
    FakeClock,
    FakeCloudFormation,
    FakeContext,
    FakeLambda,
    FakeTransport,
    ScriptedEcr,
    details,
    registry_on,
)
from tests.support.memory_ecr import MemoryEcr

FOUND = details({"imageTags": ["v1"]})
IN_MEMORY = object()
"""The script of a world whose ECR holds images."""
NO_REPLY = ReadTimeoutError(endpoint_url="https://lambda")

_idle: list[Logger] = []
"""Of worlds that are gone. A logger lives as long as the process, and pytest goes through all of them at each test."""


def _logger() -> Logger:
    # A name of its own: loggers of the same name share their stream.
    return Logger(
        service=f"test-{uuid.uuid4().hex}",
        level="DEBUG",
        stream=io.StringIO(),
        use_rfc3339=True,
        location=None,
        json_serializer=to_json,
    )


class SlowLambda(FakeLambda):
    """Lambda, each call to which takes all the time it may and comes to nothing."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(NO_REPLY)
        self._clock = clock
        self.seconds = 0.0

    def invoke(self, **kwargs: Any) -> dict[str, int]:
        self._clock.time += self.seconds
        return super().invoke(**kwargs)


class World:
    """A Waiter and everything around it. Lambda keeps what is handed over.

    ECR's script says what it finds; with the script `IN_MEMORY` it holds what is pushed to `images`.
    """

    def __init__(
        self,
        *script: Any,
        timeout: float = 900.0,
        hand_overs: tuple[Exception | None, ...] = (None,),
        answers: tuple[int | Exception, ...] = (),
        stack: tuple[str | tuple[str, float] | Exception, ...] = (),
        any_host: bool = False,
        builds: Mapping[BuilderKind, BuildService] | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.images = MemoryEcr(self.clock)
        self.stacks = FakeCloudFormation(*stack)
        self._in_memory = script == (IN_MEMORY,)
        self.ecr = ScriptedEcr(*(script or (FOUND,)))
        self.functions: FakeLambda = FakeLambda(*hand_overs)
        self.transport = FakeTransport(*answers)
        self.timeout = timeout
        self._any_host = any_host
        self._builds = builds or {}
        self.metrics: list[dict[str, Any]] = []
        self._output = io.StringIO()
        self._logger = _idle.pop() if _idle else _logger()
        self._logger.clear_state()
        self._logger.logger_handler.setStream(self._output)  # type: ignore[attr-defined]  # typed as a plain Handler
        weakref.finalize(self, _idle.append, self._logger)
        self.build()

    def build(self) -> None:
        """Make the service, which knows what is around it from then on."""
        scripted = registry_on(self.ecr.within, lambda _, name: REPOSITORY_URI.replace("team/app", name), self.clock)
        self.waiter = Waiter(
            tools=Tools(
                registry=self.images.registry() if self._in_memory else scripted,
                stacks=Stacks(self.stacks.within),
                services=self._builds,
                logger=self._logger,
                clock=self.clock,
                random=Random(1),  # noqa: S311  # any seed
            ),
            hand_over=HandOver(self._lambda),
            courier=Courier(self.transport, self.clock),
            meter=Meter(lambda line: self.metrics.append(json.loads(line)), "waiter"),
            dns_suffix="amazonaws.com",
            any_host=self._any_host,
        )

    def _lambda(self, seconds: float) -> Any:
        if isinstance(self.functions, SlowLambda):
            self.functions.seconds = seconds
        return self.functions

    def run(self, event: object, timeout: float | None = None) -> dict[str, str] | None:
        return self.waiter.handle(event, FakeContext(self.clock, timeout or self.timeout))

    def run_to_the_end(self, event: dict[str, Any]) -> int:
        """Run an event and all its continuations; return how many invocations that took."""
        pending = [event]
        for invocations in itertools.count(1):
            before = len(self.functions.calls)
            self.run(pending.pop())
            pending += self.functions.events[before:]
            if not pending:
                return invocations
        raise AssertionError

    def empty_output(self) -> None:
        """Forget what was logged."""
        self._output.seek(0)
        self._output.truncate()

    @property
    def answer(self) -> dict[str, Any]:
        (answer,) = self.transport.bodies
        return answer

    @property
    def output(self) -> str:
        return self._output.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.splitlines()]

    def lines_with(self, beginning: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if str(line["message"]).startswith(beginning)]


def short(**properties: Any) -> dict[str, Any]:
    """Return properties of a wait of a minute, unless changed."""
    return {**PROPERTIES, "MaxRetries": "2", "RetryDelaySeconds": "30", **properties}
