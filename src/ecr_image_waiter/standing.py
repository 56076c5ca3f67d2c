"""Whether a stack still waits for an answer, and when to ask. No I/O.

Statuses are those of the User Guide, "Stack status codes". All times are seconds since 1970 UTC, durations seconds.
docs/decisions/0011 says how the times were chosen.
"""

from random import Random
from typing import Final

from .findings import StackFinding, StackHidden, StackSeen
from .waiting import NEVER

FIRST_ASK: Final = (120.0, 255.0)
NEXT_ASK: Final = (150.0, 210.0)
"""Drawn from these, so that 500 waits that began together ask fewer than four times a second."""


def first_ask(began: float, random: Random) -> float:
    """Return when to ask for the first time in a wait."""
    return began + random.uniform(*FIRST_ASK)


def next_ask(found: StackFinding, now: float, random: Random) -> float:
    """Return when to ask again: never, where asking is not allowed."""
    if isinstance(found, StackHidden) and found.denied:
        return NEVER
    return now + random.uniform(*NEXT_ASK)


def rolls_back(found: StackFinding) -> bool:
    """Whether the stack is certainly on its way back."""
    return isinstance(found, StackSeen) and found.status.endswith("ROLLBACK_IN_PROGRESS")


def still_waits(found: StackFinding) -> bool:
    """Whether CloudFormation may still wait for the answer to a Create or an Update.

    It does while the stack is created, updated or imported into. It does not once that is over, on the way back (which
    no Create and no Update of before the way back outlives), or gone. In doubt it does.
    """
    if isinstance(found, StackHidden):
        return True
    over = found.status.endswith(("_COMPLETE", "_FAILED", "_CLEANUP_IN_PROGRESS"))
    return bool(found.status) and not over and "ROLLBACK" not in found.status and not found.status.startswith("DELETE")
