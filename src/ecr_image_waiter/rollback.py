"""Updates of a stack that rolls back: how they are recognised, and their response, which is SUCCESS.

Nothing in the event of such an Update says so, and a FAILED would leave the stack stuck in UPDATE_ROLLBACK_FAILED. What
CloudFormation's DescribeStacks says of the stack decides.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from .cfn.attributes import attributes_in_rollback
from .cfn.event import StackRequest, named_images, service_timeout_of, session_of, stack_properties, start_of
from .cfn.response import Answer, fits
from .core.conditions import Wanted
from .core.deadline import ANSWER_SECONDS, CALL_SECONDS, Invocation, answer_reserve
from .core.faults import InvalidRequest, StackUnknown
from .core.model import Image, Looked, StackFinding, decisive
from .core.stack import SETTLES, is_answer, pause_before_asking_again, rolls_back
from .looking import look_in_rollback
from .slice import Tools
from .telemetry import Ended, Outcome
from .text.reasons import seen, subject

_NEXT_RUN: Final = 135.0
"""Seconds: Lambda runs a failed invocation again after 60, then after 120, and that one needs some of its own."""


class Rollback:
    """Recognises and answers the Updates of rollbacks.

    Args:
        tools: to look at stacks and images with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def ask(self, request: StackRequest, invocation: Invocation) -> StackFinding:
        """Returns what is known of the request's stack, from one question that leaves time for the response."""
        now = self._tools.clock.now()
        seconds = min(invocation.for_question(now), (_gives_up_at(request, now) - now) / 4)
        return self._tools.stacks.look(request.stack_id, seconds, account=invocation.place.account)

    def is_certain(self, request: StackRequest, invocation: Invocation, withheld: str) -> bool:
        """Returns whether the stack rolls back. Asks until CloudFormation answers or the response's reserve is used up.

        The first question waits until the stack's status has settled, the others until throttling may have passed.

        Args:
            request: the Update.
            invocation: whose time it has.
            withheld: the Reason that the Update fails with if its stack does not roll back.

        Raises:
            StackUnknown: there is time for another run, or for the last resort, which may be told more.
        """
        clock = self._tools.clock
        began = clock.now()
        reserve = min(
            began + answer_reserve(service_timeout_of(request)), _gives_up_at(request, began) - ANSWER_SECONDS
        )
        # The last third of this invocation is for the image and the response.
        until = min(reserve, began + (invocation.ends - began) * 2 / 3)
        clock.sleep(max(min(start_of(request, began) + SETTLES, until) - began, 0.0))
        attempt = 0
        while True:
            stack = self.ask(request, invocation)
            if is_answer(stack):
                return rolls_back(stack)
            attempt += 1
            pause = pause_before_asking_again(attempt, self._tools.random)
            if clock.now() + pause >= until:
                break
            clock.sleep(pause)
        unsaid = f"CloudFormation did not say in {attempt} attempts whether the stack rolls back"
        if clock.now() + _NEXT_RUN <= _gives_up_at(request, began) - ANSWER_SECONDS:
            self._tools.logger.warning("%s, so it is asked again before the Update fails: %s", unsaid, withheld)
            raise StackUnknown(f"{withheld} ({unsaid})")
        self._tools.logger.error(unsaid)
        return False

    def answer(self, request: StackRequest, invocation: Invocation) -> Answer:
        """Returns SUCCESS after one check, whatever that finds."""
        wanted, found, told = self._check(request, invocation)
        if found is None or not isinstance(decisive(found), Image):
            self._tools.logger.warning(
                "The stack is rolling back: SUCCESS without the image (%s)",
                told,
                extra={"image": subject(wanted) if wanted else ""},
            )
        data = attributes_in_rollback(wanted, found, self._tools.registry.uri, invocation.place)
        answer = Answer("SUCCESS", data=data, ended=Ended(Outcome.ROLLBACK))
        # Properties that are refused today may name more than fits a response.
        return answer if fits(request, answer) else replace(answer, data={})

    def _check(self, request: StackRequest, invocation: Invocation) -> tuple[Sequence[Wanted], Looked | None, str]:
        """Returns the images, what was found of them, and that in words."""
        clock = self._tools.clock
        wanted: tuple[Wanted, ...] | None = None
        try:
            properties = stack_properties(request, invocation.place)
            wanted = tuple(one.in_session(session_of(request)) for one in properties.all_wanted)
            now = clock.now()
            ends = min(invocation.ends, _gives_up_at(request, now) - ANSWER_SECONDS)
            until = min((now + ends) / 2, now + 2 * CALL_SECONDS)
            found = look_in_rollback(self._tools.registry, wanted, lambda: invocation.for_next_call(until, clock.now()))
        except InvalidRequest as error:
            return named_images(request), None, str(error)
        except Exception as error:  # whatever went wrong, the rollback goes on
            self._tools.logger.exception("The check during a rollback failed")
            return wanted or (), None, type(error).__name__
        return wanted, found, seen(found)


def _gives_up_at(request: StackRequest, now: float) -> float:
    return start_of(request, now) + service_timeout_of(request)
