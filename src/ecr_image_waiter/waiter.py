"""Create, Update, Delete and direct invocations, and the one place that turns exceptions into FAILED."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final, assert_never

from .aws.self_invoke import SelfInvoker
from .cfn.event import DirectRequest, StackRequest, believable_start, properties_of, read_event, session_of, token_of
from .cfn.properties import Properties
from .cfn.response import Response, Sender, encoded, harmless_data, require_room, response_when_ready
from .check import Checker, FollowedBuild
from .core.deadline import Bounds, Context, Invocation, bounds_for_direct
from .core.messages import DeliveryFailed, GaveUp, InvalidRequest, UnusableEvent
from .core.polling import begin_or_go_on, wait
from .core.state import Abandoned, Cause, CheckResult, GivenUp, Memory, Outcome, PartDone, Progress, Ready, WaitEnd
from .stack_questions import Tools
from .telemetry import Meter
from .text.reasons import reason_abandoned, reason_of, reason_stopped, waited_for

_LOGGED: Final = 4000  # characters of a Reason; a response does not hold more


@dataclass(frozen=True)
class Waiter:
    """The service: one event in, one response, continuation or error out.

    `tools` are what waits are made with, `self_invoker` invokes this function again, `sender` sends responses to
    CloudFormation. Responses go to hosts under `dns_suffix`, of the function's partition, alone, unless `any_host` is
    set for an emulator or a local run.
    """

    tools: Tools
    self_invoker: SelfInvoker
    sender: Sender
    meter: Meter
    dns_suffix: str
    any_host: bool

    def handle(self, event: object, context: Context) -> dict[str, str] | None:
        """Handles one invocation.

        Returns:
            The attributes for a direct invocation, otherwise None.

        Raises:
            UnusableEvent: no response can be sent.
            DeliveryFailed: CloudFormation did not take the response.
            StackUnknown: a FAILED to this Update could block a rollback.
            GaveUp: a direct invocation ends without the image.
        """
        invocation = Invocation(context, self.tools.clock)
        try:
            request = read_event(event, dns_suffix=self.dns_suffix, any_host=self.any_host)
        except UnusableEvent as error:
            with self.tools.logger.append_context_keys(InvocationId=context.aws_request_id):
                self.tools.logger.error(
                    "Ignoring an invalid event, no response can be sent: %s", error, extra={"event": "invalid_event"}
                )
            raise
        if isinstance(request, DirectRequest):
            with self.tools.logger.append_context_keys(InvocationId=context.aws_request_id, RequestType="Direct"):
                return harmless_data(self._wait_for_direct(request, invocation))
        with self.tools.logger.append_context_keys(
            InvocationId=context.aws_request_id,
            StackId=request.stack_id,
            LogicalResourceId=request.logical_id,
            RequestId=request.request_id,
            RequestType=request.type,
        ):
            if response := self._response_to(request, invocation):
                self._deliver(request, response, invocation)
        return None

    def _response_to(self, request: StackRequest, invocation: Invocation) -> Response | None:
        """Returns the response, encoded, or None if a continuation goes on.

        Raises:
            StackUnknown: it would be FAILED, and it is unknown whether that blocks a rollback.
        """
        if request.type == "Delete":
            return encoded(request, Response("SUCCESS"))
        if request.state is None:
            self.meter.count_start()
        response = self._response_or_failure(request, invocation)
        if response and response.status == "FAILED" and request.type == "Update":
            instead = self.tools.questions.response_instead(request, response, invocation)
            return response if instead is response else encoded(request, instead)
        return response

    def _response_or_failure(self, request: StackRequest, invocation: Invocation) -> Response | None:
        """Returns the response, encoded, or None if a continuation goes on. Every exception of a wait ends here."""
        try:
            response = self._wait_for_stack(request, invocation)
            return encoded(request, response) if response else None
        except InvalidRequest as error:
            reason, outcome = f"Invalid request: {error}", Outcome.INVALID
        except Exception as error:  # the one place: whatever went wrong, the stack is told
            self.tools.logger.exception("The wait failed unexpectedly", extra={"event": "failed_unexpectedly"})
            reason = f"The waiter failed unexpectedly ({type(error).__name__}); its log has the details"
            outcome = Outcome.UNEXPECTED
        return encoded(request, Response("FAILED", reason, invocation.log_stream_note, end=WaitEnd(outcome)))

    def _wait_for_stack(self, request: StackRequest, invocation: Invocation) -> Response | None:
        questions = self.tools.questions
        if request.state is None and (rolled_back := questions.response_if_rolling_back(request, invocation)):
            # Before the properties are validated: a rollback may bring back ones that this version refuses.
            return rolled_back
        properties = properties_of(request, invocation.place)
        if request.state is None:
            require_room(request, properties.all_wanted, self.tools.registry.uri, invocation.place)
        bounds, progress, memory = begin_or_go_on(
            request.state,
            start=believable_start(request.signed_at, invocation.began),
            max_wait=properties.max_wait,
            service_timeout=properties.ServiceTimeout,
            now=invocation.began,
            timeout=invocation.timeout,
            random=self.tools.random,
        )
        part = Part(self.tools, properties, bounds, invocation, request)
        result = part.run(progress, memory)
        match result:
            case Ready():
                return response_when_ready(properties.all_wanted, result, self.tools.clock.now() - bounds.start)
            case GivenUp():
                end = self._end(result.cause, bounds.start, result)
                return Response("FAILED", part.reason_with_newest_tags(result), invocation.log_stream_note, end=end)
            case Abandoned():
                # This wait may have begun in the rollback, and must not block it.
                rolled_back = questions.response_if_rolling_back(request, invocation, result.stack)
                return rolled_back or self._abandoned(part, result)
            case PartDone():
                return self._hand_over(part, result, request)
            case _:
                assert_never(result)

    def _end(self, outcome: Outcome | Cause, start: float, reached: GivenUp | Progress) -> WaitEnd:
        return WaitEnd(outcome, self.tools.clock.now() - start, reached.checks, reached.unanswered)

    def _abandoned(self, part: "Part", abandoned: Abandoned) -> Response:
        # CloudFormation ignores the response to a request that it has given up. If it still waits, it is told.
        reached, status = abandoned.progress, abandoned.status
        self.tools.logger.warning(
            "The stack no longer waits (%s)",
            status or "it is gone",
            extra={
                "event": "stack_no_longer_waits",
                "image": part.checker.subject,
                "attempt": reached.checks,
                "stack_status": status,
            },
        )
        waited = self.tools.clock.now() - part.bounds.start
        reason = reason_abandoned(part.waited_for, status, checks=reached.checks, waited=waited)
        end = self._end(Outcome.ABANDONED, part.bounds.start, reached)
        return Response("FAILED", reason, part.invocation.log_stream_note, end=end)

    def _hand_over(self, part: "Part", done: PartDone, request: StackRequest) -> Response | None:
        image, invocation = part.checker.subject, part.invocation
        state = done.state(part.bounds)
        fault = self.self_invoker.hand_over(
            request.event, state, image=image, invocation=invocation, logger=self.tools.logger
        )
        if fault is None:
            self.meter.count_continuation(state.progress.hops)
            return None
        waited = self.tools.clock.now() - part.bounds.start
        reason = reason_stopped(part.waited_for, checks=done.progress.checks, waited=waited, fault=fault)
        end = self._end(Outcome.HAND_OVER_FAILED, part.bounds.start, done.progress)
        return Response("FAILED", reason, invocation.log_stream_note, end=end)

    def _wait_for_direct(self, request: DirectRequest, invocation: Invocation) -> Mapping[str, str]:
        if request.deletes:
            self.tools.logger.info(
                "Terraform destroys its invocation: nothing to do", extra={"event": "terraform_destroy"}
            )
            return {}
        self.meter.count_start()
        try:
            properties = properties_of(request, invocation.place)
        except InvalidRequest as error:
            self.tools.logger.error("Invalid request: %s", error, extra={"event": "invalid_request"})
            self.meter.count_end(WaitEnd(Outcome.INVALID))
            raise
        bounds = bounds_for_direct(invocation.began, properties.max_wait, invocation.checks_end)
        part = Part(self.tools, properties, bounds, invocation)
        result = part.run(Progress(due=invocation.began), Memory())
        if isinstance(result, Ready):
            response = response_when_ready(properties.all_wanted, result, self.tools.clock.now() - bounds.start)
            if response.end:
                self.meter.count_end(response.end)
            return response.data
        if isinstance(result, GivenUp):
            self.meter.count_end(self._end(result.cause, bounds.start, result))
            raise GaveUp(part.reason_with_newest_tags(result))
        # The limit lies within the invocation, but there was next to none of it.
        self.meter.count_end(self._end(Cause.TOO_LATE, bounds.start, result.progress))
        raise GaveUp("The invocation had no time to wait; raise the function's timeout")

    def _deliver(self, request: StackRequest, response: Response, invocation: Invocation) -> None:
        try:
            attempts = self.sender.deliver(request.response_url, response.body, invocation.deadline)
        except DeliveryFailed as error:
            told = response.reason[:_LOGGED] or "no Reason"
            self.tools.logger.error(
                "%s; it was %s: %s", error, response.status, told, extra={"event": "response_not_sent"}
            )
            raise
        self.tools.logger.info(
            "Sent %s%s",
            response.status,
            f": {response.reason[:_LOGGED]}" if response.reason else "",
            extra={
                "event": "response_sent",
                "status": response.status,
                "body_bytes": len(response.body),
                "delivery_attempts": attempts,
            }
            | dict(response.data),
        )
        if response.end:
            self.meter.count_end(response.end, attempts)


@dataclass(frozen=True)
class Part:
    """One invocation's part of a wait. `request`: CloudFormation's, None for a direct invocation."""

    tools: Tools
    properties: Properties
    bounds: Bounds
    invocation: Invocation
    request: StackRequest | None = None

    @cached_property
    def checker(self) -> Checker:
        """The checker of this wait's images."""
        properties, request, build = self.properties, self.request, None
        wanted = [one.in_session(session_of(request)) for one in properties.all_wanted]
        if properties.builder:
            build = FollowedBuild(
                self.tools.build_services[properties.builder.kind],
                properties.builder,
                self.bounds.start,
                token=token_of(request) if request else self.invocation.id,
                ask_whether_to_start=self._ask_whether_to_start,
                waits_for_repository=properties.waits_for_repository,
            )
        return Checker(self.tools.registry, wanted, self.bounds.start, build)

    @property
    def waited_for(self) -> str:
        """The image with its region, or the number of images."""
        return waited_for(self.properties.all_wanted, self.invocation.place)

    def run(self, progress: Progress, memory: Memory) -> Ready | GivenUp | Abandoned | PartDone:
        """Continues the wait for as long as this invocation may."""
        bounds = self.bounds
        if bounds.shortened and progress.checks == 0:
            self.tools.logger.info(
                "The wait is shortened from %.0f to %.0f seconds by ServiceTimeout or the function's timeout",
                bounds.template_limit - bounds.start,
                bounds.limit - bounds.start,
                extra={"event": "wait_shortened"},
            )
        return wait(
            self.properties.backoff,
            bounds,
            progress,
            memory,
            checks_end=self.invocation.checks_end,
            check=self.check,
            log_check=self._log_check,
            ask=partial(self.tools.questions.ask_of_wait, self.request, self.invocation) if self.request else None,
            clock=self.tools.clock,
            random=self.tools.random,
        )

    def check(self, memory: Memory, include_archived: bool) -> CheckResult:  # noqa: FBT001  # the one thing `wait` has to say
        """Makes one check."""
        deadline = self.invocation.deadline.for_check(self.bounds)
        return self.checker.check(memory, deadline, include_archived=include_archived)

    def reason_with_newest_tags(self, given_up: GivenUp) -> str:
        """Returns why the wait ended without the image, with the newest tags, for which it calls ECR."""
        newest = self.checker.newest_tags(given_up, self.invocation.deadline.for_response(self.bounds))
        now = self.tools.clock.now()
        return reason_of(
            self.properties.all_wanted, self.invocation.place, self.bounds, given_up=given_up, now=now, newest=newest
        ).sentence

    def _ask_whether_to_start(self, seconds: float) -> bool:
        asked = self.properties.StartBuild
        return asked and self.tools.questions.ask_whether_to_start(self.request, self.invocation, seconds, self.bounds)

    def _log_check(self, judged: Progress | Ready | GivenUp, result: CheckResult) -> None:
        now, image, told = self.tools.clock.now(), self.checker.subject, self.checker.in_words(result.found)
        details = {"image": image, "attempt": judged.checks, "elapsed_seconds": round(now - self.bounds.start, 3)}
        if isinstance(judged, Progress):
            details |= {"next_check_in_seconds": round(judged.due - now, 3), "unanswered": judged.unanswered}
        self.tools.logger.info("Checked %s: %s", image, told, extra={"event": "checked", **details, "seen": told})
