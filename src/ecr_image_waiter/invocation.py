"""One invocation's share of time. No I/O.

All moments are seconds since 1970 UTC, all durations seconds.
"""

import math
from typing import Final, Protocol

from .core.deadline import Budget
from .core.model import place_of
from .core.polling import slice_reserve

QUESTION_SECONDS: Final = 5.0  # the longest that asking CloudFormation may take
_LAST_MOMENT: Final = 0.5  # of an invocation, kept so that its own error is reported and not a time-out


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
