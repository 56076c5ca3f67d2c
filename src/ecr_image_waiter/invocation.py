"""One invocation's share of time, and how much of it each call may take. No I/O.

All moments are seconds since 1970 UTC, all durations seconds.
"""

import math
from typing import Final, Protocol

from .place import place_of
from .waiting import Bounds, slice_reserve

CALL_SECONDS: Final = 9.0  # the longest that one call of AWS may take, its retry included
LOOK_SECONDS: Final = 60.0  # the longest that a look of many calls may take
QUESTION_SECONDS: Final = 5.0  # the longest that asking CloudFormation may take
_SHORTEST_CALL: Final = 1.0
_ANSWER_SECONDS: Final = 3.0  # before ServiceTimeout, for one delivery with a retry or two
_LAST_MOMENT: Final = 0.5  # of an invocation, kept so that its own error is reported and not a time-out


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    aws_request_id: str
    invoked_function_arn: str
    log_stream_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still run, in milliseconds."""


class Invocation:
    """One invocation. `timeout` is a duration; `began`, `ends` and `slice_ends` are moments.

    `id` is the same for each of Lambda's own repetitions.
    """

    def __init__(self, context: Context, now: float) -> None:
        left = context.get_remaining_time_in_millis() / 1000
        # The handler starts within moments of the invocation, and time-outs are whole seconds.
        self.timeout = max(math.ceil(left), 1)
        self.began = now
        self.ends = now + left - _LAST_MOMENT
        self.slice_ends = now + left - slice_reserve(self.timeout)
        self.id = context.aws_request_id
        self.function_arn = context.invoked_function_arn
        self.place = place_of(context.invoked_function_arn)
        self.note = f" (log stream {context.log_stream_name})" if context.log_stream_name else ""

    def left(self, now: float, bounds: Bounds) -> float:
        """Return how long until this invocation, or CloudFormation's patience, is at its end."""
        return min(self.ends, bounds.expires - _ANSWER_SECONDS) - now

    def for_question(self, now: float) -> float:
        """Return how long a question to CloudFormation may take: a quarter of what is left, the rest has other uses."""
        return min((self.ends - now) / 4, QUESTION_SECONDS)

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
