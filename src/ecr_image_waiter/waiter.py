"""Create, Update, Delete and direct invocations, and the one place that turns any exception into an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final, assert_never

from aws_lambda_powertools import Logger

from .aws.cloudformation import Stacks
from .aws.ecr import Registry
from .aws.self_invoke import HandOver, hand_over_with_retries
from .cfn.attributes import attributes, longest_attributes
from .cfn.event import DirectRequest, StackRequest, read_event, stack_properties, start_of_wait
from .cfn.properties import Properties, read_properties
from .cfn.response import Answer, Courier, encoded, fits
from .core.builds import BuilderKind, Own
from .core.conditions import Known, Wanted
from .core.deadline import (
    MAX_INVOCATIONS,
    Bounds,
    Clock,
    Context,
    Invocation,
    bounds_for_caller,
    bounds_for_stack,
    invocations_needed,
    timeout_needed,
)
from .core.faults import DeliveryFailed, GaveUp, InvalidRequest, StackUnknown, UnusableEvent
from .core.format import harmless
from .core.model import StackHidden, StackSeen
from .core.polling import Abandoned, Cause, GivenUp, Progress, Ready, SliceUsedUp
from .core.stack import first_ask, rolls_back
from .core.state import State, read_state
from .following import BuildService
from .rollback import Rollback
from .slice import Slice, Tools
from .telemetry import Ended, Meter, Outcome
from .text.reasons import fault_too_long, fault_too_much, reason_abandoned, reason_invalid, reason_stopped, subject

_LOGGED: Final = 4000  # characters of a Reason; an answer does not hold more


class Waiter:
    """The service: one event in, one answer, hand-over or error out.

    Args:
        registry: looks into ECR.
        stacks: looks at the stack.
        builds: looks at the runs of each kind of builder, and starts them.
        hand_over: invokes this function again.
        courier: brings answers to CloudFormation.
        logger: Powertools' logger.
        meter: counts waits.
        clock: the time.
        random: spreads the checks of waits that began together.
        dns_suffix: of the function's partition; answers go to hosts under it alone.
        any_host: whether answers may go elsewhere too, for an emulator or a local run.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        stacks: Stacks,
        builds: Mapping[BuilderKind, BuildService],
        hand_over: HandOver,
        courier: Courier,
        logger: Logger,
        meter: Meter,
        clock: Clock,
        random: Random,
        dns_suffix: str,
        any_host: bool,
    ) -> None:
        self._tools = Tools(registry=registry, stacks=stacks, builds=builds, logger=logger, clock=clock, random=random)
        self._rollback = Rollback(self._tools)
        self._hand_over = hand_over
        self._courier = courier
        self._logger = logger
        self._meter = meter
        self._clock = clock
        self._dns_suffix = dns_suffix
        self._any_host = any_host

    def handle(self, event: object, context: Context) -> dict[str, str] | None:
        """Handle one invocation.

        Returns:
            The attributes for a direct invocation; nothing where CloudFormation is answered, or the wait handed over.

        Raises:
            UnusableEvent: there is nobody to answer.
            DeliveryFailed: CloudFormation did not take the answer.
            StackUnknown: a FAILED to this Update could block a rollback.
            GaveUp: a direct invocation ends without the image.
        """
        invocation = Invocation(context, self._clock.now())
        try:
            request = read_event(event, dns_suffix=self._dns_suffix, any_host=self._any_host)
        except UnusableEvent as error:
            with self._logger.append_context_keys(InvocationId=context.aws_request_id):
                self._logger.error("This event is of no use, nothing is waited for and nobody is answered: %s", error)
            raise
        if isinstance(request, DirectRequest):
            with self._logger.append_context_keys(InvocationId=context.aws_request_id, RequestType="Direct"):
                served = self._serve_caller(request, invocation)
                return {name: harmless(value) for name, value in served.items()}
        with self._logger.append_context_keys(
            InvocationId=context.aws_request_id,
            StackId=request.stack_id,
            LogicalResourceId=request.logical_id,
            RequestId=request.request_id,
            RequestType=request.type,
        ):
            answer = self._answer(request, invocation)
            if answer is not None:
                self._deliver(request, answer, invocation)
        return None

    def _answer(self, request: StackRequest, invocation: Invocation) -> Answer | None:
        """Return the answer, encoded, or None after a hand-over.

        Raises:
            StackUnknown: it would be FAILED, and nobody knows whether that would block a rollback.
        """
        if request.type == "Delete":
            return encoded(request, Answer("SUCCESS"))
        if request.state is None:
            self._meter.started()
        answer = self._answer_of_wait(request, invocation)
        if answer is None or answer.status == "SUCCESS" or request.type == "Create":
            return answer
        withheld = answer.reason + answer.note
        try:
            if self._rollback.is_certain(request, invocation, withheld):
                answer = encoded(request, self._rollback.answer(request, invocation))
        except StackUnknown:
            raise
        except Exception as error:  # as above; nobody knows whether FAILED would block a rollback
            self._logger.exception("The question whether the stack rolls back failed unexpectedly")
            raise StackUnknown(withheld) from error
        return answer

    def _answer_of_wait(self, request: StackRequest, invocation: Invocation) -> Answer | None:
        """Return the answer, encoded, or None after a hand-over. Every exception of a wait ends here, as an answer."""
        try:
            answer = self._serve_stack(request, invocation)
            return encoded(request, answer) if answer else None
        except InvalidRequest as error:
            answer = Answer("FAILED", reason_invalid(error), invocation.note, ended=Ended(Outcome.INVALID))
        except Exception as error:  # the one place: whatever went wrong, the stack is told
            self._logger.exception("The wait failed unexpectedly")
            reason = f"The waiter failed unexpectedly ({type(error).__name__}); its log has the details"
            answer = Answer("FAILED", reason, invocation.note, ended=Ended(Outcome.UNEXPECTED))
        return encoded(request, answer)

    def _serve_stack(self, request: StackRequest, invocation: Invocation) -> Answer | None:
        if request.type == "Update" and request.state is None:
            # Before the properties are validated: a rollback may bring back ones that this version refuses.
            stack = self._rollback.ask(request, invocation)
            if rolls_back(stack):
                return self._rollback.answer(request, invocation)
            if isinstance(stack, StackHidden):
                self._logger.info("CloudFormation does not say whether the stack rolls back (%s)", stack.code)
        properties = stack_properties(request, invocation.place)
        if request.state is None:
            self._require_room(request, properties.all_wanted, invocation)
        bounds, progress, known, own = self._begin_or_go_on(request, properties, invocation)
        piece = Slice(self._tools, properties, bounds, invocation, known=known, own=own, request=request)
        outcome = piece.run(progress)
        match outcome:
            case Ready():
                ended = self._ended(Outcome.READY, bounds.start, outcome)
                return Answer("SUCCESS", data=self._attributes(properties, outcome, bounds), ended=ended)
            case GivenUp():
                ended = self._ended(outcome.cause, bounds.start, outcome)
                return Answer("FAILED", piece.reason(outcome), invocation.note, ended=ended)
            case Abandoned(progress=reached):
                if request.type == "Update" and rolls_back(piece.stack):
                    # This wait may have begun in the rollback, and must not block it.
                    return self._rollback.answer(request, invocation)
                # CloudFormation ignores the response to a request that it has given up. If it still waits, it is told.
                status = piece.stack.status if isinstance(piece.stack, StackSeen) else ""
                self._logger.warning(
                    "The stack no longer waits (%s)",
                    status or "it is gone",
                    extra={"image": subject(properties.all_wanted), "attempt": reached.checks, "stack_status": status},
                )
                waited = self._clock.now() - bounds.start
                reason = reason_abandoned(
                    self._what(properties, invocation), status, checks=reached.checks, waited=waited
                )
                return Answer(
                    "FAILED", reason, invocation.note, ended=self._ended(Outcome.ABANDONED, bounds.start, reached)
                )
            case SliceUsedUp(progress=reached):
                state = State(bounds.start, bounds.limit, replace(reached, hops=reached.hops + 1), known, own)
                return self._go_on_elsewhere(properties, state, request.event, invocation)
            case _:
                assert_never(outcome)

    def _ended(self, outcome: Outcome | Cause, start: float, reached: Ready | GivenUp | Progress) -> Ended:
        return Ended(outcome, self._clock.now() - start, reached.checks, reached.faults)

    def _attributes(self, properties: Properties, ready: Ready, bounds: Bounds) -> dict[str, str]:
        waited = self._clock.now() - bounds.start
        return attributes(properties.all_wanted, ready.found, checks=ready.checks, waited=waited)

    @staticmethod
    def _what(properties: Properties, invocation: Invocation) -> str:
        wanted = properties.all_wanted
        return subject(wanted) + (f" in {invocation.place.at(wanted[0].source).region}" if len(wanted) == 1 else "")

    def _require_room(self, request: StackRequest, wanted: Sequence[Wanted], invocation: Invocation) -> None:
        """Refuse what could not be answered in the end, rather than wait for it.

        Raises:
            InvalidRequest: the answer would be too long; with how many images would fit.
        """

        def fit(count: int) -> bool:
            longest = longest_attributes(wanted[:count], self._tools.registry.uri, invocation.place)
            return fits(request, Answer("SUCCESS", data=longest))

        if not fit(len(wanted)):
            most = next((count for count in range(len(wanted) - 1, 0, -1) if fit(count)), 0)
            raise InvalidRequest([fault_too_much(most, len(wanted))])

    def _begin_or_go_on(
        self, request: StackRequest, properties: Properties, invocation: Invocation
    ) -> tuple[Bounds, Progress, Known, Own]:
        now, known, own = invocation.began, Known(), Own()
        if request.state is None:
            start = start_of_wait(request.started, now)
            bounds = bounds_for_stack(start, properties.max_wait, properties.ServiceTimeout)
            progress = Progress(due=now, ask_due=first_ask(now, self._tools.random))
        else:
            state = read_state(request.state, now)
            known, own = state.known, state.own
            bounds = bounds_for_stack(state.start, properties.max_wait, properties.ServiceTimeout)
            # The first limit stays, whatever a newer version of this code would make of the same event.
            bounds = replace(bounds, limit=min(state.limit, bounds.expires))
            progress = replace(state.progress, due=min(state.progress.due, bounds.limit))
        # Asked each time, because the function's time-out may be changed while a wait is under way.
        needed = progress.hops + invocations_needed(bounds.limit - now, invocation.timeout)
        if needed > MAX_INVOCATIONS:
            seconds = bounds.limit - bounds.start
            raise InvalidRequest([fault_too_long(seconds, needed, invocation.timeout, timeout_needed(seconds))])
        return bounds, progress, known, own

    def _go_on_elsewhere(
        self, properties: Properties, state: State, event: Mapping[str, Any], invocation: Invocation
    ) -> Answer | None:
        wanted, progress = properties.all_wanted, state.progress
        fault = hand_over_with_retries(
            self._hand_over, event, state, invocation, clock=self._clock, logger=self._logger
        )
        now = self._clock.now()
        if fault:
            self._logger.error("The hand-over failed: %s", fault)
            reason = reason_stopped(
                self._what(properties, invocation), checks=progress.checks, waited=now - state.start, fault=fault
            )
            ended = self._ended(Outcome.STOPPED, state.start, progress)
            return Answer("FAILED", reason, invocation.note, ended=ended)
        self._meter.handed_over(progress.hops)
        self._logger.info(
            "Handed over to invocation %d of this wait",
            progress.hops + 1,
            extra={
                "image": subject(wanted),
                "hops": progress.hops,
                "attempt": progress.checks,
                "elapsed_seconds": round(now - state.start, 3),
                "seconds_to_limit": round(state.limit - now, 3),
            },
        )
        return None

    def _serve_caller(self, request: DirectRequest, invocation: Invocation) -> dict[str, str]:
        if request.deletes:
            self._logger.info("Terraform destroys its invocation: nothing to do")
            return {}
        self._meter.started()
        try:
            properties = read_properties(request.properties, invocation.place)
        except InvalidRequest as error:
            self._logger.error("The request is not valid: %s", error)
            self._meter.ended(Ended(Outcome.INVALID))
            raise
        bounds = bounds_for_caller(invocation.began, properties.max_wait, invocation.slice_ends)
        piece = Slice(self._tools, properties, bounds, invocation, known=Known(), own=Own())
        outcome = piece.run(Progress(due=invocation.began))
        if isinstance(outcome, Ready):
            self._meter.ended(self._ended(Outcome.READY, bounds.start, outcome))
            return self._attributes(properties, outcome, bounds)
        if isinstance(outcome, GivenUp):
            self._meter.ended(self._ended(outcome.cause, bounds.start, outcome))
            raise GaveUp(piece.reason(outcome))
        # The limit lies within the slice, but there was next to none of it.
        self._meter.ended(self._ended(Cause.TOO_LATE, bounds.start, outcome.progress))
        raise GaveUp("The invocation had no time to wait in; give the caller's function time-out more seconds")

    def _deliver(self, request: StackRequest, answer: Answer, invocation: Invocation) -> None:
        try:
            attempts = self._courier.deliver(request.response_url, answer.body, invocation.ends)
        except DeliveryFailed as error:
            self._logger.error(
                "%s; the answer was %s: %s", error, answer.status, answer.reason[:_LOGGED] or "no Reason"
            )
            raise
        self._logger.info(
            "Answered %s%s",
            answer.status,
            f": {answer.reason[:_LOGGED]}" if answer.reason else "",
            extra={
                "status": answer.status,
                "body_bytes": len(answer.body),
                "delivery_attempts": attempts,
                **answer.data,
            },
        )
        if answer.ended:
            self._meter.ended(answer.ended, attempts)
