"""Until when: the bounds of a wait, the time of one invocation, and how much of it each call may take. Pure.

All moments are seconds since 1970 UTC, all durations seconds.
"""

import math
from dataclasses import dataclass
from typing import Final, Protocol

from .model import place_of

CALL_SECONDS: Final = 9.0  # the longest that one call of AWS may take, its retry included
LOOK_SECONDS: Final = 60.0  # the longest that a look of many calls may take
_SHORTEST_CALL: Final = 1.0
ANSWER_SECONDS: Final = 3.0  # before ServiceTimeout, for one delivery with a retry or two

QUESTION_SECONDS: Final = 5.0  # the longest that asking CloudFormation may take
_LAST_MOMENT: Final = 0.5  # of an invocation, kept so that its own error is reported and not a time-out
MAX_INVOCATIONS: Final = 15
"""Lambda's recursion guard drops about the sixteenth invocation of a chain (invocation-recursion)."""


class Clock(Protocol):
    """Wall-clock time, because a wait goes on in another process and its start must mean the same there."""

    def now(self) -> float:
        """Return the time as seconds since 1970-01-01 UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after about `seconds`; a caller that must not wake early looks at `now()` again."""


def answer_reserve(service_timeout: float) -> float:
    """Return how long before ServiceTimeout a wait must end.

    A fifth of it, from 15 s to 240 s. From ServiceTimeout 1200 up that covers two retries of a crashed
    invocation (60 s and 120 s later, invocation-async-error-handling) and the answer.
    """
    return min(max(0.2 * service_timeout, 15.0), 240.0)


def slice_reserve(timeout: float) -> float:
    """Return how much of an invocation of `timeout` seconds is kept for the hand-over or the answer."""
    return 30.0 if timeout >= 150.0 else timeout / 5


def invocations_needed(wait: float, timeout: float) -> int:
    """Return how many invocations of a function with this time-out a wait of `wait` seconds takes at most."""
    return math.floor(max(wait, 0.0) / (timeout - slice_reserve(timeout))) + 1


def timeout_needed(wait: float) -> int:
    """Return the smallest whole function time-out with which a wait of `wait` seconds is not refused."""
    smallest = math.floor(wait / MAX_INVOCATIONS)
    return next(t for t in range(max(smallest, 1), 10**9) if invocations_needed(wait, t) <= MAX_INVOCATIONS)


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a wait began, when its last check is due, and when nobody listens any more.

    `wanted` is the limit the template asked for; where it is later than `limit`, something shortened the wait.
    """

    start: float
    limit: float
    wanted: float
    expires: float = math.inf

    @property
    def shortened(self) -> bool:
        """Whether the wait ends before the template's own limit."""
        return self.limit < self.wanted


def bounds_for_stack(start: float, max_wait: float, service_timeout: float) -> Bounds:
    """Return the bounds of a wait that CloudFormation gives `service_timeout` seconds for."""
    wanted = start + max_wait
    latest = start + max(service_timeout - answer_reserve(service_timeout), 0.0)
    return Bounds(start=start, limit=min(wanted, latest), wanted=wanted, expires=start + service_timeout)


def bounds_for_caller(start: float, max_wait: float, slice_end: float) -> Bounds:
    """Return the bounds of a wait within one direct invocation."""
    wanted = start + max_wait
    return Bounds(start=start, limit=min(wanted, max(slice_end, start)), wanted=wanted)


class Budget:
    """The time of one process. `ends`: the moment by which it must be done."""

    def __init__(self, ends: float) -> None:
        self.ends = ends

    def left(self, now: float, bounds: Bounds) -> float:
        """Return how long until this process, or CloudFormation's patience, is at its end."""
        return min(self.ends, bounds.expires - ANSWER_SECONDS) - now

    def for_each_call(self, calls: int, now: float, bounds: Bounds) -> float:
        """Return how long each of so many calls of a look may take.

        Half of what is left stays for the hand-over or the answer, even if every call takes all its time. And the
        check at the limit must not come late because the one before it takes its time.
        """
        seconds = min(self.left(now, bounds) / 2 / calls, CALL_SECONDS)
        return min(seconds, max(bounds.limit - now, _SHORTEST_CALL) / calls) if now < bounds.limit else seconds

    def for_next_call(self, until: float, now: float) -> float:
        """Return how long the next of an unknown number of calls may take: half of what is left, for those after it."""
        return max(min((until - now) / 2, CALL_SECONDS), 0.0)

    def look_ends(self, now: float, bounds: Bounds) -> float:
        """Return when a look of many calls must be done; the rules are those of `for_each_call`."""
        ends = now + min(self.left(now, bounds) / 2, LOOK_SECONDS)
        return min(ends, max(bounds.limit, now + _SHORTEST_CALL)) if now < bounds.limit else ends


UNLIMITED: Final = Budget(math.inf)
"""The time of a process that nobody ends."""


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    aws_request_id: str
    invoked_function_arn: str
    log_stream_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still run, in milliseconds."""


class Invocation(Budget):
    """One invocation. `timeout` is a duration; `began`, `ends` and `slice_ends` are moments.

    `id` is the same for each of Lambda's own repetitions.
    """

    def __init__(self, context: Context, now: float) -> None:
        left = context.get_remaining_time_in_millis() / 1000
        super().__init__(now + left - _LAST_MOMENT)
        # The handler starts within moments of the invocation, and time-outs are whole seconds.
        self.timeout = max(math.ceil(left), 1)
        self.began = now
        self.slice_ends = now + left - slice_reserve(self.timeout)
        self.id = context.aws_request_id
        self.function_arn = context.invoked_function_arn
        self.place = place_of(context.invoked_function_arn)
        self.note = f" (log stream {context.log_stream_name})" if context.log_stream_name else ""

    def for_question(self, now: float) -> float:
        """Return how long a question to CloudFormation may take: a quarter of what is left, the rest has other uses."""
        return min((self.ends - now) / 4, QUESTION_SECONDS)
