"""One invocation after another of the whole service, in one process, with fakes where the world would be.

It shows what one invocation does. What a whole wait does, with Lambda's queue and CloudFormation's rules around it, is
tests/support/simulation.py's.
"""

import io
import itertools
import json
import uuid
import weakref
from collections.abc import Callable, Mapping
from functools import cached_property
from random import Random
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ReadTimeoutError

from ecr_image_waiter.aws.builds import BuildService
from ecr_image_waiter.aws.cloudformation import Stacks
from ecr_image_waiter.aws.self_invoke import SelfInvoker
from ecr_image_waiter.cfn.response import Sender
from ecr_image_waiter.core.builds import BuilderKind
from ecr_image_waiter.core.deadline import Clock
from ecr_image_waiter.stack_questions import Tools
from ecr_image_waiter.telemetry import Meter, to_json
from ecr_image_waiter.waiter import Waiter
from tests.support.clock import FakeClock
from tests.support.ecr import Ecr
from tests.support.fakes import PROPERTIES, FakeCloudFormation, FakeContext, FakeLambda, FakeTransport, details

FOUND = details({"imageTags": ["v1"]})
IN_MEMORY = None  # as a reply: the registry in memory answers
"""The script of a world whose ECR answers by its rules."""
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

    ECR's script says what DescribeImages finds, by default the image, in front of what was pushed to `ecr`.
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
        region: str = "eu-west-1",
    ) -> None:
        self.clock = clock or FakeClock()
        self.ecr = Ecr(self.clock, region)
        self.ecr.script(*(script or (FOUND,)))
        self.stacks = FakeCloudFormation(*stack)
        self.functions: FakeLambda = FakeLambda(*hand_overs)
        self.transport = FakeTransport(*answers)
        self.timeout = timeout
        self.random = Random(1)  # noqa: S311  # any seed
        self.log = io.StringIO()
        """Lines of the log, those of metrics among them."""
        self._any_host = any_host
        self._builds = builds or {}

    @cached_property
    def waiter(self) -> Waiter:
        """The process in which invocations run."""
        return self.new_process()

    def restart(self) -> None:
        """Begin a new process, which keeps nothing of the last one."""
        self.__dict__.pop("waiter", None)

    def logger(self) -> Logger:
        """Return a logger that no other process has."""
        logger = _idle.pop() if _idle else _logger()
        logger.clear_state()
        logger.logger_handler.setStream(self.log)  # type: ignore[attr-defined]  # typed as a plain Handler
        weakref.finalize(self, _idle.append, logger)
        return logger

    def new_process(self, clock: Clock | None = None) -> Waiter:
        """Return the service in a process, which may have a clock of its own."""
        clock = clock or self.clock
        return Waiter(
            tools=Tools(
                registry=self.ecr.registry(clock),
                stacks=Stacks(self.stacks_within),
                build_services=self._builds,
                logger=self.logger(),
                clock=clock,
                random=self.random,
            ),
            self_invoker=SelfInvoker(self.lambda_within),
            sender=Sender(self.put, clock),
            meter=Meter(lambda line: self.log.write(line + "\n"), "waiter"),
            dns_suffix="amazonaws.com",
            any_host=self._any_host,
        )

    @property
    def put(self) -> Callable[[str, bytes, float], int]:
        """Sends a response: a URL, a body and the seconds that it may take."""
        return self.transport.put

    def stacks_within(self, seconds: float) -> Any:
        """Return CloudFormation's client for a call that may take so many seconds."""
        return self.stacks.within(seconds)

    def lambda_within(self, seconds: float) -> Any:
        """Return Lambda's client for a call that may take so many seconds."""
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
        self.log.seek(0)
        self.log.truncate()

    @property
    def response(self) -> dict[str, Any]:
        (response,) = self.transport.bodies
        return response

    @property
    def output(self) -> str:
        return self.log.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [line for line in self._json_lines() if "_aws" not in line]

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return [line for line in self._json_lines() if "_aws" in line]

    def _json_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.split("\n") if line]

    def lines_of(self, *events: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("event") in events]


def short(**properties: Any) -> dict[str, Any]:
    """Return properties of a wait of a minute, unless changed."""
    return {**PROPERTIES, "MaxRetries": "2", "RetryDelaySeconds": "30", **properties}
