"""What waits are made with. The handler makes it of the real things, tests of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from aws_lambda_powertools import Logger

from .aws.cloudformation import Stacks
from .aws.ecr import Registry
from .aws.self_invoke import HandOver
from .cfn.response import Courier
from .core.builds import BuilderKind, BuildHidden, BuildRun, BuildUnavailable
from .core.deadline import Clock, Deadline
from .telemetry import Meter


class BuildService(Protocol):
    """What `CodeBuild` and `CodePipeline` do; see there."""

    def runs(self, name: str, own: str, deadline: Deadline) -> Sequence[BuildRun] | BuildHidden | BuildUnavailable:
        """Return the newest runs."""

    def start(self, name: str, token: str, deadline: Deadline) -> BuildRun | BuildHidden | BuildUnavailable:
        """Start a run."""

    def explained(self, name: str, run: BuildRun, deadline: Deadline) -> BuildRun:
        """Return a run with all that is known of it."""


@dataclass(frozen=True)
class Tools:
    """What waits are made with.

    `services`: what knows the runs of each kind of builder. `hand_over` invokes this function again, `courier` sends
    responses to CloudFormation. `random` spreads the checks of waits that began together.
    """

    registry: Registry
    stacks: Stacks
    services: Mapping[BuilderKind, BuildService]
    hand_over: HandOver
    courier: Courier
    meter: Meter
    logger: Logger
    clock: Clock
    random: Random
