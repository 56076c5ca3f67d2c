"""The command in one process, on a fake clock and an ECR in memory."""

import io
import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from random import Random
from typing import Any

from ecr_image_waiter.cli.command import Edges, run
from ecr_image_waiter.cli.connection import Connection, Misconfigured
from ecr_image_waiter.cli.options import parse
from ecr_image_waiter.cli.results import Status
from ecr_image_waiter.cli.screen import Standing, screen
from ecr_image_waiter.core.builds import BuilderKind, BuildHidden, BuildRun, BuildUnavailable, RunStatus
from ecr_image_waiter.core.deadline import Clock, Deadline
from tests.support.clock import NOW, FakeClock
from tests.support.ecr import ACCOUNT, Ecr


class Command:
    """The command, and the world around it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ecr = Ecr(self.clock)
        self.ecr.repository("app")
        self.misconfigured = ""
        self.width = 0
        self.accounts = 0
        self.connected: dict[str, Any] = {}
        self.builder = Builder()
        self.stdin = io.StringIO()
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        self.published: dict[str, str] = {}

    def __call__(self, *arguments: str) -> Status:
        self.stdout, self.stderr, self.published = io.StringIO(), io.StringIO(), {}
        edges = Edges(
            stdin=self.stdin,
            stdout=self.stdout,
            stderr=self.stderr,
            show=self.show,
            width=self.width,
            clock=self.clock,
            random=Random(1),  # noqa: S311  # any seed
            connect=self.connect,
            publish=self.publish,
        )
        return run(parse(arguments), edges)

    def show(self, standing: Standing, quiet: bool) -> AbstractContextManager[Callable[[str], None]]:  # noqa: FBT001  # as `Edges` has it
        return screen(standing, self.clock, self.stderr, terminal=False, quiet=quiet)

    def connect(
        self, clock: Clock, *, profile: str, region: str, endpoint_url: str, regions: Iterable[str]
    ) -> Connection:
        self.connected = {"profile": profile, "region": region, "endpoint_url": endpoint_url, "regions": list(regions)}
        if self.misconfigured:
            raise Misconfigured(self.misconfigured)
        builds = {BuilderKind.PROJECT: self.builder, BuilderKind.PIPELINE: self.builder}
        return Connection(region or "eu-west-1", self.ecr.registry(clock), builds, self.account)

    def publish(self, variable: str, text: str) -> None:
        self.published[variable] = self.published.get(variable, "") + text

    def account(self) -> str:
        self.accounts += 1
        return ACCOUNT

    @property
    def out(self) -> str:
        return self.stdout.getvalue()

    @property
    def err(self) -> str:
        return self.stderr.getvalue()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Builder:
    """A builder of which one thing is found."""

    def __init__(self) -> None:
        self.found: list[BuildRun] | BuildHidden | BuildUnavailable = []
        self.started: list[str] = []

    def runs(self, *_: object) -> list[BuildRun] | BuildHidden | BuildUnavailable:
        return self.found

    def start(self, _name: str, token: str, _deadline: Deadline) -> BuildRun:
        self.started.append(token)
        return BuildRun("app:1", RunStatus.UNDER_WAY, "IN_PROGRESS", NOW, ours=True)

    def explained(self, _name: str, run: BuildRun, _deadline: Deadline) -> BuildRun:
        return run
