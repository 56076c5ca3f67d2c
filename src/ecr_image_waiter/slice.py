"""One invocation's slice of a wait: the pure loop, bound to ECR, to the stack, to the clock and to the log."""

from dataclasses import dataclass
from random import Random

from aws_lambda_powertools import Logger

from .answers import NEWEST_TAGS, reason_given_up, seen
from .clock import Clock
from .findings import Finding, StackFinding, StackHidden
from .invocation import Invocation
from .properties import Properties
from .registry import Registry
from .request import StackRequest
from .stacks import Stacks
from .standing import next_ask, still_waits
from .waiting import NEVER, Abandoned, Bounds, GivenUp, Progress, Ready, SliceUsedUp, wait


@dataclass(frozen=True)
class Tools:
    """What a slice works with. `random` spreads the checks of waits that began together."""

    registry: Registry
    stacks: Stacks
    logger: Logger
    clock: Clock
    random: Random


class Slice:
    """A slice of one wait.

    Args:
        tools: what it works with.
        properties: of the request.
        bounds: of the wait.
        invocation: whose time it has.
        request: CloudFormation's, None for a direct invocation, which no stack waits for.
    """

    def __init__(
        self,
        tools: Tools,
        properties: Properties,
        bounds: Bounds,
        invocation: Invocation,
        request: StackRequest | None = None,
    ) -> None:
        self._tools = tools
        self._properties = properties
        self._bounds = bounds
        self._invocation = invocation
        self._request = request
        self.stack: StackFinding = StackHidden("")
        """What was last found of the stack."""

    def run(self, progress: Progress) -> Ready | GivenUp | Abandoned | SliceUsedUp:
        """Go on with the wait for as long as this invocation may."""
        bounds = self._bounds
        if bounds.shortened and progress.checks == 0:
            self._tools.logger.info(
                "The wait is shortened from %.0f to %.0f seconds, to end before the time allowed is up",
                bounds.wanted - bounds.start,
                bounds.limit - bounds.start,
            )
        return wait(
            self._properties.rhythm,
            bounds,
            progress,
            slice_end=self._invocation.slice_ends,
            look=self._look,
            checked=self._checked,
            ask=self._ask,
            clock=self._tools.clock,
            random=self._tools.random,
        )

    def reason(self, given_up: GivenUp) -> str:
        """Say why the wait ended in vain. Looks for the newest tags where the repository is known to exist."""
        newest = None
        if given_up.image_missing:
            seconds = self._invocation.left(self._tools.clock.now(), self._bounds) / 2
            repository = self._properties.RepositoryName
            newest = self._tools.registry.newest_tags(repository, most=NEWEST_TAGS, seconds=seconds)
        return reason_given_up(
            self._properties.image,
            self._invocation.place,
            self._bounds,
            given_up=given_up,
            now=self._tools.clock.now(),
            newest=newest,
        )

    def _look(self, archived_too: bool) -> Finding:  # noqa: FBT001  # `wait` has only this one thing to say
        calls = 2 if archived_too else 1
        seconds = self._invocation.for_each_call(calls, self._tools.clock.now(), self._bounds)
        return self._tools.registry.look(self._properties.image, archived_too=archived_too, seconds=seconds)

    def _checked(self, judged: Progress | Ready | GivenUp, finding: Finding) -> None:
        now = self._tools.clock.now()
        details: dict[str, object] = {
            "image": str(self._properties.image),
            "attempt": judged.checks,
            "elapsed_seconds": round(now - self._bounds.start, 3),
            "seen": seen(finding),
        }
        if isinstance(judged, Progress):
            details["next_check_in_seconds"] = round(judged.due - now, 3)
            details["unanswered"] = judged.faults
        self._tools.logger.info("Checked %s: %s", self._properties.image, details["seen"], extra=details)

    def _ask(self) -> float | None:
        if self._request is None:
            return NEVER
        logger, clock = self._tools.logger, self._tools.clock
        seconds = self._invocation.for_question(clock.now())
        self.stack = self._tools.stacks.look(self._request.stack_id, seconds)
        if not still_waits(self.stack):
            return None
        again = next_ask(self.stack, clock.now(), self._tools.random)
        if isinstance(self.stack, StackHidden) and self.stack.denied:
            logger.warning(
                "CloudFormation does not tell the function whether the stack still waits (%s): going on to the limit",
                self.stack.code,
            )
        elif isinstance(self.stack, StackHidden):
            logger.info("CloudFormation did not say whether the stack still waits (%s): going on", self.stack.code)
        return again
