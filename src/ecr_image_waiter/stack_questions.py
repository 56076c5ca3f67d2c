"""Questions about the stack of a request: whether it still waits or rolls back, and the response then; and `Tools`.

Nothing in the event of an Update says that the stack rolls back, and a FAILED would leave the stack stuck in
UPDATE_ROLLBACK_FAILED. CloudFormation's DescribeStacks decides. It is asked:

- in the first invocation of an Update, before the properties are validated;
- during a wait, every few minutes and before a continuation (`core.polling`);
- before a build is started;
- before an Update is answered FAILED.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from aws_lambda_powertools import Logger

from .aws.builds import BuildService
from .aws.cloudformation import Stacks
from .aws.ecr import Registry
from .cfn.event import StackRequest, expires_of, named_images, properties_of, service_timeout_of, session_of, start_of
from .cfn.response import Response, attributes_in_rollback, fits
from .check import Checker
from .core.builds import BuilderKind
from .core.deadline import CALL_SECONDS, RESPONSE_SECONDS, Bounds, Clock, Deadline, Invocation, response_reserve
from .core.messages import InvalidRequest, StackUnknown
from .core.model import (
    SETTLES,
    Image,
    StackFinding,
    StackHidden,
    StackSeen,
    decisive,
    is_answer,
    rolls_back,
    still_waits,
)
from .core.polling import LAST_ASK, pause_before_asking_again
from .core.state import Outcome, WaitEnd

_QUESTION_SECONDS: Final = 5.0  # the longest that asking CloudFormation may take
_NEXT_RUN: Final = 135.0
"""Seconds: Lambda runs a failed invocation again after 60, then after 120, and that one needs some of its own."""


@dataclass(frozen=True)
class Tools:
    """The parts that waits and questions use.

    `build_services`: the build services by kind of builder. `random` spreads the checks of waits that began together.
    """

    registry: Registry
    stacks: Stacks
    build_services: Mapping[BuilderKind, BuildService]
    logger: Logger
    clock: Clock
    random: Random

    @property
    def questions(self) -> "StackQuestions":
        """The questions about stacks."""
        return StackQuestions(self)


@dataclass(frozen=True)
class StackQuestions:
    """Asks about the stack of a request, and makes the responses to the Updates of rollbacks."""

    tools: Tools

    def ask(self, request: StackRequest, invocation: Invocation, most: float = math.inf) -> StackFinding:
        """Asks CloudFormation once about the request's stack, and leaves time for the response.

        `most`: how many seconds it may take at most.
        """
        now = self.tools.clock.now()
        seconds = min(invocation.deadline.left() / 4, _QUESTION_SECONDS, (expires_of(request, now) - now) / 4, most)
        return self.tools.stacks.ask(request.stack_id, seconds, account=invocation.place.account)

    def ask_of_wait(self, request: StackRequest, invocation: Invocation) -> StackFinding:
        """Returns the same for a wait under way, which goes on if CloudFormation does not say, or if no stack waits."""
        stack = self.ask(request, invocation)
        if isinstance(stack, StackHidden) and stack.denied:
            self.tools.logger.warning(
                "The function may not check whether the stack still waits (%s), so the wait goes on to its limit",
                stack.code,
                extra={"event": "stack_hidden"},
            )
        elif isinstance(stack, StackHidden):
            self.tools.logger.info(
                "The check whether the stack still waits got no answer (%s)",
                stack.code,
                extra={"event": "stack_unknown"},
            )
        return stack

    def ask_whether_to_start(
        self, request: StackRequest | None, invocation: Invocation, seconds: float, bounds: Bounds
    ) -> bool:
        """Returns whether a build may be started: not for a stack that rolls back or waits no more, nor in doubt.

        `request` is None where no stack waits. `seconds`: how long the question may take.
        """
        # Like any question about the stack, not in the last moments: the check at the limit must not come late.
        if self.tools.clock.now() > bounds.limit - LAST_ASK:
            return False
        if request is None:
            return True
        stack = self.ask(request, invocation, seconds)
        if isinstance(stack, StackHidden):
            # No Create belongs to a rollback.
            allowed = stack.denied and request.type == "Create"
        else:
            allowed = still_waits(stack, bounds.start)
        if not allowed:
            self.tools.logger.warning(
                "No build is started: the stack is %s",
                stack.status if isinstance(stack, StackSeen) else f"unknown ({stack.code})",
                extra={"event": "build_not_started"},
            )
        return allowed

    def response_if_rolling_back(
        self, request: StackRequest, invocation: Invocation, stack: StackFinding | None = None
    ) -> Response | None:
        """Returns the response to an Update whose stack certainly rolls back. `stack`: what it was found to do."""
        if request.type != "Update":
            return None
        if stack is None:
            stack = self.ask(request, invocation)
            if isinstance(stack, StackHidden):
                self.tools.logger.info(
                    "The check whether the stack rolls back got no answer (%s)",
                    stack.code,
                    extra={"event": "rollback_unknown"},
                )
        return self._response_in_rollback(request, invocation) if rolls_back(stack) else None

    def response_instead(self, request: StackRequest, failed: Response, invocation: Invocation) -> Response:
        """Returns the response to an Update that fails: SUCCESS if its stack certainly rolls back.

        Raises:
            StackUnknown: it is unknown whether FAILED blocks a rollback.
        """
        withheld = failed.reason + failed.note
        try:
            if not self._certainly_rolls_back(request, invocation, withheld):
                return failed
            return self._response_in_rollback(request, invocation)
        except StackUnknown:
            raise
        except Exception as error:  # nobody knows whether FAILED would block a rollback
            self.tools.logger.exception(
                "The check whether the stack rolls back failed unexpectedly", extra={"event": "rollback_check_failed"}
            )
            raise StackUnknown(withheld) from error

    def _certainly_rolls_back(self, request: StackRequest, invocation: Invocation, withheld: str) -> bool:
        """Returns whether the stack certainly rolls back; if CloudFormation never says, that is False in the last run.

        Asks until CloudFormation answers or the response's reserve is used up. The first question waits until the
        stack's status has settled, the others until throttling may have passed. `withheld`: the Reason of a FAILED.

        Raises:
            StackUnknown: there is time for another run, or for the last resort, which may be told more.
        """
        clock = self.tools.clock
        began = clock.now()
        latest = expires_of(request, began) - RESPONSE_SECONDS
        # The last third of this invocation is for the image and the response.
        deadline = Deadline(began + invocation.deadline.left() * 2 / 3, clock).before(
            min(began + response_reserve(service_timeout_of(request)), latest)
        )
        clock.sleep(max(min(start_of(request, began) + SETTLES, deadline.at) - began, 0.0))
        attempt = 0
        while True:
            stack = self.ask(request, invocation)
            if is_answer(stack):
                return rolls_back(stack)
            attempt += 1
            pause = pause_before_asking_again(attempt, self.tools.random)
            if pause >= deadline.left():
                break
            clock.sleep(pause)
        unsaid = f"{attempt} checks whether the stack rolls back got no answer"
        if clock.now() + _NEXT_RUN <= latest:
            self.tools.logger.warning(
                "%s; the next invocation checks again before the Update fails: %s",
                unsaid,
                withheld,
                extra={"event": "failure_withheld"},
            )
            raise StackUnknown(f"{withheld} ({unsaid})")
        self.tools.logger.error(unsaid, extra={"event": "rollback_unresolved"})
        return False

    def _response_in_rollback(self, request: StackRequest, invocation: Invocation) -> Response:
        """Returns the response to an Update whose stack rolls back: SUCCESS after one check, with any result."""
        start, found = start_of(request, invocation.began), None
        checker = Checker(self.tools.registry, named_images(request), start)
        try:
            properties = properties_of(request, invocation.place)
            wanted = [one.in_session(session_of(request)) for one in properties.all_wanted]
            checker = Checker(self.tools.registry, wanted, start)
            now = self.tools.clock.now()
            left = invocation.deadline.before(expires_of(request, now) - RESPONSE_SECONDS).left()
            found = checker.check_in_rollback(Deadline(now + min(left / 2, 2 * CALL_SECONDS), self.tools.clock))
            told = checker.in_words(found)
        except InvalidRequest as error:
            told = str(error)
        except Exception as error:  # whatever went wrong, the rollback goes on
            self.tools.logger.exception(
                "The check for the image failed during a rollback", extra={"event": "rollback_image_check_failed"}
            )
            told = type(error).__name__
        if found is None or not isinstance(decisive(found), Image):
            self.tools.logger.warning(
                "The stack is rolling back: SUCCESS without the image (%s)",
                told,
                extra={"event": "rollback_without_image", "image": checker.subject},
            )
        data = attributes_in_rollback(checker.wanted, found, self.tools.registry.uri, invocation.place)
        response = Response("SUCCESS", data=data, end=WaitEnd(Outcome.ROLLBACK))
        # Properties that are refused today may name more than fits a response.
        return response if fits(request, response) else replace(response, data={})
