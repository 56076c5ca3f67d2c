"""How much time there is for the calls of a wait, and how much of it each of them may take. No I/O.

All moments are seconds since 1970 UTC, all durations seconds.
"""

import math
from typing import Final

from .polling import Bounds

CALL_SECONDS: Final = 9.0  # the longest that one call of AWS may take, its retry included
LOOK_SECONDS: Final = 60.0  # the longest that a look of many calls may take
_SHORTEST_CALL: Final = 1.0
ANSWER_SECONDS: Final = 3.0  # before ServiceTimeout, for one delivery with a retry or two


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
