"""One invocation's slice of a wait: the pure loop, bound to the watch, to the stack, to the clock and to the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from aws_lambda_powertools import Logger

from .aws.cloudformation import Stacks
from .aws.ecr import Registry
from .cfn.event import StackRequest, session_of, token_of
from .cfn.properties import Properties
from .core.builds import BuilderKind, Own
from .core.conditions import Known
from .core.deadline import Bounds, Clock, Invocation
from .core.model import Found, StackFinding, StackHidden
from .core.polling import LAST_ASK, NEVER, Abandoned, GivenUp, Progress, Ready, SliceUsedUp, wait
from .core.stack import next_ask, still_waits
from .following import BuildService
from .text.reasons import seen, subject
from .watch import Follow, Watch

_ASK_AGAIN: Final = 60.0  # seconds, whether a build may be started


@dataclass(frozen=True)
class Tools:
    """What a slice works with. `random` spreads the checks of waits that began together.

    `builds`: what knows the runs of each kind of builder.
    """

    registry: Registry
    stacks: Stacks
    builds: Mapping[BuilderKind, BuildService]
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
        known: what earlier slices have read of images; it grows.
        own: what is remembered of a run that this wait started.
        request: CloudFormation's, None for a direct invocation, which no stack waits for.
    """

    def __init__(
        self,
        tools: Tools,
        properties: Properties,
        bounds: Bounds,
        invocation: Invocation,
        *,
        known: Known,
        own: Own,
        request: StackRequest | None = None,
    ) -> None:
        self._tools = tools
        self._properties = properties
        self._bounds = bounds
        self._invocation = invocation
        self._request = request
        self._wanted = tuple(one.in_session(session_of(request)) for one in properties.all_wanted)
        self._look = Watch(
            tools.registry,
            tools.builds,
            tools.clock,
            wanted=self._wanted,
            bounds=bounds,
            budget=invocation,
            known=known,
            follow=self._follow(properties, own),
            waits_for_repository=properties.waits_for_repository,
        )
        self._asks_to_start_at = 0.0
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
        """Say why the wait ended in vain; see `Watch.reason`."""
        return self._look.reason(given_up, self._invocation.place).sentence

    def _follow(self, properties: Properties, own: Own) -> Follow | None:
        builder = properties.builder
        if builder is None:
            return None
        return Follow(
            builder,
            own,
            token=token_of(self._request) if self._request else self._invocation.id,
            may_start=self._may_start,
        )

    def _may_start(self, seconds: float) -> bool:
        """Say whether a build may be started now: never for a stack that rolls back or waits no more, or in doubt."""
        now = self._tools.clock.now()
        # Like any question about the stack, not in the last moments: the check at the limit must not come late.
        too_late = now > self._bounds.limit - LAST_ASK
        if not self._properties.StartBuild or too_late or now < self._asks_to_start_at:
            return False
        if self._request is None:
            return True
        seconds, account = min(self._invocation.for_question(now), seconds), self._invocation.place.account
        self.stack = self._tools.stacks.look(self._request.stack_id, seconds, account=account)
        if isinstance(self.stack, StackHidden):
            # No Create belongs to a rollback.
            allowed = self.stack.denied and self._request.type == "Create"
        else:
            allowed = still_waits(self.stack, self._bounds.start)
        if not allowed:
            self._asks_to_start_at = now + _ASK_AGAIN
            self._tools.logger.warning(
                "No build is started: the stack is %s",
                self.stack.status if not isinstance(self.stack, StackHidden) else f"hidden ({self.stack.code})",
            )
        return allowed

    def _checked(self, judged: Progress | Ready | GivenUp, found: Found) -> None:
        now = self._tools.clock.now()
        details: dict[str, object] = {
            "image": subject(self._wanted),
            "attempt": judged.checks,
            "elapsed_seconds": round(now - self._bounds.start, 3),
            "seen": seen(found),
        }
        if isinstance(judged, Progress):
            details["next_check_in_seconds"] = round(judged.due - now, 3)
            details["unanswered"] = judged.faults
        self._tools.logger.info("Checked %s: %s", subject(self._wanted), details["seen"], extra=details)

    def _ask(self) -> float | None:
        if self._request is None:
            return NEVER
        logger, clock = self._tools.logger, self._tools.clock
        seconds = self._invocation.for_question(clock.now())
        account = self._invocation.place.account
        self.stack = self._tools.stacks.look(self._request.stack_id, seconds, account=account)
        if not still_waits(self.stack, self._bounds.start):
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
