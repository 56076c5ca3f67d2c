"""What waits are made with. The handler makes it of the real things, tests of others."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from aws_lambda_powertools import Logger

from .aws.builds import BuildService
from .aws.cloudformation import Stacks
from .aws.ecr import Registry
from .aws.self_invoke import HandOver
from .cfn.response import Courier
from .core.builds import BuilderKind
from .core.deadline import Clock
from .telemetry import Meter


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
