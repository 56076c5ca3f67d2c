"""The bounds of a wait, the time and facts of one invocation, the clock, and the time that each call may take. Pure.

All moments are seconds since 1970 UTC, all durations seconds. The time left is divided at up to four places:
`Deadline.for_check` leaves half of it for the end of the invocation, `Deadline.per_call` half of the rest for another
call, `aws.ecr.Registry.describe_one` half for a call about a public registry, `aws.clients.Aws.ecr_client` half for
the credentials of a role.
"""

import math
from dataclasses import dataclass
from typing import Final, Protocol

from .model import place_of

CALL_SECONDS: Final = 9.0  # the longest that one call of AWS may take, its retry included
CHECK_SECONDS: Final = 60.0  # the longest that a check of many calls may take
_SHORTEST_CALL: Final = 1.0
RESPONSE_SECONDS: Final = 3.0  # before ServiceTimeout, for one delivery with a retry or two
_LAST_MOMENT: Final = 0.5  # of an invocation, kept so that its own error is reported and not a timeout
MAX_INVOCATIONS: Final = 15
"""Lambda's recursion guard drops about the sixteenth invocation of a chain (invocation-recursion)."""


class Clock(Protocol):
    """Wall-clock time, because a wait goes on in another process and its start must mean the same there."""

    def now(self) -> float:
        """Returns the time as seconds since 1970-01-01 UTC."""

    def sleep(self, seconds: float) -> None:
        """Returns after about `seconds`; a caller that must not wake early checks `now()` again."""


def response_reserve(service_timeout: float) -> float:
    """Returns how long before ServiceTimeout a wait must end.

    A fifth of it, from 15 s to 240 s. From ServiceTimeout 1200 up that covers two retries of a crashed
    invocation (60 s and 120 s later, invocation-async-error-handling) and the response.
    """
    return min(max(0.2 * service_timeout, 15.0), 240.0)


def invocation_reserve(timeout: float) -> float:
    """Returns how much of an invocation of `timeout` seconds is kept to hand over or to respond."""
    return 30.0 if timeout >= 150.0 else timeout / 5


def invocations_needed(wait: float, timeout: float) -> int:
    """Returns how many invocations of a function with this timeout a wait of `wait` seconds takes at most."""
    return math.floor(max(wait, 0.0) / (timeout - invocation_reserve(timeout))) + 1


def timeout_needed(wait: float) -> int:
    """Returns the smallest whole function timeout with which a wait of `wait` seconds is not refused."""
    smallest = math.floor(wait / MAX_INVOCATIONS)
    return next(t for t in range(max(smallest, 1), 10**9) if invocations_needed(wait, t) <= MAX_INVOCATIONS)


def fault_too_long(seconds: float, needed: int, timeout: int, timeout_needed: int) -> str:
    """Returns the fault of a wait that exceeds the invocations that Lambda's recursion guard allows."""
    return (
        f"MaxRetries x RetryDelaySeconds: a wait of {seconds:.0f} seconds takes {needed} invocations with the "
        f"function's timeout of {timeout} seconds, allowed: {MAX_INVOCATIONS}, because Lambda stops longer chains; "
        f"raise the timeout to {timeout_needed} seconds, or shorten the wait"
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """The start of a wait, the time of its last check, and the end of ServiceTimeout.

    `template_limit` is the limit the template asked for; where it is later than `limit`, something shortened the wait.
    """

    start: float
    limit: float
    template_limit: float
    expires: float = math.inf

    @property
    def shortened(self) -> bool:
        """Whether the wait ends before the template's own limit."""
        return self.limit < self.template_limit


def bounds_for_stack(start: float, max_wait: float, service_timeout: float) -> Bounds:
    """Returns the bounds of a wait that CloudFormation gives `service_timeout` seconds for."""
    template_limit = start + max_wait
    latest = start + max(service_timeout - response_reserve(service_timeout), 0.0)
    return Bounds(start, min(template_limit, latest), template_limit, start + service_timeout)


def bounds_for_direct(start: float, max_wait: float, checks_end: float) -> Bounds:
    """Returns the bounds of a wait within one direct invocation."""
    template_limit = start + max_wait
    return Bounds(start=start, limit=min(template_limit, max(checks_end, start)), template_limit=template_limit)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment by which calls must be done, and the clock that tells how long that is. `at`: the moment."""

    at: float
    clock: Clock

    def left(self) -> float:
        """Returns how long that is from now; less than nothing when it has passed."""
        return self.at - self.clock.now()

    def before(self, at: float) -> "Deadline":
        """Returns the earlier of this deadline and a moment."""
        return Deadline(min(self.at, at), self.clock)

    def per_call(self, calls: int = 2) -> float:
        """Returns how long each of so many calls may take.

        Of an unknown number, the next one may take half of what is left, as of two.
        """
        return max(min(self.left() / calls, CALL_SECONDS), 0.0)

    def for_response(self, bounds: Bounds) -> "Deadline":
        """Returns when all but the response must be done: CloudFormation may give up before this process ends."""
        return self.before(bounds.expires - RESPONSE_SECONDS)

    def for_check(self, bounds: Bounds) -> "Deadline":
        """Returns when a check that begins now must be done.

        Half of what is left stays to hand over or to respond. And the check at the limit must not come late
        because the one before it takes its time.
        """
        now = self.clock.now()
        at = now + min(self.for_response(bounds).left() / 2, CHECK_SECONDS)
        if now < bounds.limit:
            at = min(at, max(bounds.limit, now + _SHORTEST_CALL))
        return Deadline(at, self.clock)


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    aws_request_id: str
    invoked_function_arn: str
    log_stream_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Returns how long this invocation may still run, in milliseconds."""


class Invocation:
    """One invocation. `timeout` is a duration, `began` and `checks_end` are moments.

    The wait is handed over at `checks_end`. `id` is the same for each of Lambda's own repetitions.
    """

    def __init__(self, context: Context, clock: Clock) -> None:
        self.began = clock.now()
        left = context.get_remaining_time_in_millis() / 1000
        self.deadline = Deadline(self.began + left - _LAST_MOMENT, clock)
        # The handler starts within moments of the invocation, and timeouts are whole seconds.
        self.timeout = max(math.ceil(left), 1)
        self.checks_end = self.began + left - invocation_reserve(self.timeout)
        self.id = context.aws_request_id
        self.function_arn = context.invoked_function_arn
        self.place = place_of(context.invoked_function_arn)
        self.log_stream_note = f" (log stream {context.log_stream_name})" if context.log_stream_name else ""
