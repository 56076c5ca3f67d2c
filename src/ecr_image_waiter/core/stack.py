"""Whether a stack still waits for an answer, and when to ask. No I/O.

Statuses are those of the User Guide, "Stack status codes". All times are seconds since 1970 UTC, durations seconds.
docs/decisions/0011 says how the times were chosen.
"""

from random import Random
from typing import Final

from .model import StackFinding, StackHidden, StackSeen
from .state import NEVER

FIRST_ASK: Final = (120.0, 255.0)
NEXT_ASK: Final = (150.0, 210.0)
"""Drawn from these, so that 500 waits that began together ask fewer than four times a second."""
SETTLES: Final = 5.0
"""How late DescribeStacks may show what CloudFormation has begun, and how far the two clocks may be apart."""
LAST_ASK: Final = 10.0
"""So long before the limit nobody asks any more whether the stack still waits: the last check must not come late."""
FRESH: Final = 210.0
"""A hand-over does without asking where the last answer is younger than this, and than a quarter of the invocation."""
_LONGEST_PAUSE: Final = 15.0


def first_ask(began: float, random: Random) -> float:
    """Return when to ask for the first time in a wait."""
    return began + random.uniform(*FIRST_ASK)


def next_ask(found: StackFinding, now: float, random: Random) -> float:
    """Return when to ask again: never, where asking is not allowed."""
    if isinstance(found, StackHidden) and found.denied:
        return NEVER
    return now + random.uniform(*NEXT_ASK)


def pause_before_asking_again(attempt: int, random: Random) -> float:
    """Returns how long to pause after so many questions without an answer: 1, 2, 4 ... 15 s, less up to a half."""
    return min(2.0 ** (attempt - 1), _LONGEST_PAUSE) * (1.0 - 0.5 * random.random())


def is_answer(found: StackFinding) -> bool:
    """Returns whether asking again cannot tell more: the stack was seen, or it may not be asked for."""
    return isinstance(found, StackSeen) or found.denied


def rolls_back(found: StackFinding) -> bool:
    """Whether the stack is certainly on its way back."""
    return isinstance(found, StackSeen) and found.status.endswith("ROLLBACK_IN_PROGRESS")


def still_waits(found: StackFinding, start: float) -> bool:
    """Returns whether CloudFormation may still wait for the response to a Create or an Update.

    It does while the stack is created, updated or imported into. It does not once that operation is over, rolls back,
    or was followed by another one, or the stack is gone. In doubt it does.

    Args:
        found: what is known of the stack.
        start: when the wait began. The operation that the wait belongs to began before.
    """
    if isinstance(found, StackHidden):
        return True
    if found.updated_at is not None and found.updated_at > start + SETTLES:
        return False
    over = found.status.endswith(("_COMPLETE", "_FAILED", "_CLEANUP_IN_PROGRESS"))
    return bool(found.status) and not over and "ROLLBACK" not in found.status and not found.status.startswith("DELETE")
