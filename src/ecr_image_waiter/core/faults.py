"""Faults: the exceptions that end an invocation or a request. How a wait ends is a value, in `outcomes`."""

from collections.abc import Sequence
from typing import Final

from .format import harmless

_SHOWN_FAULTS: Final = 20  # more do not fit into an answer


class WaiterError(Exception):
    """Root of everything this package raises. Lambda and Python print what they are not handled by."""

    def __init__(self, message: str) -> None:
        super().__init__(harmless(message))


class UnusableEvent(WaiterError):
    """The event is none of those in docs/contract.md, so there is nobody to answer. The invocation fails."""


class InvalidRequest(WaiterError):
    """CloudFormation, or a direct caller, asked for something that cannot be done.

    Args:
        faults: every fault of the request, each one a sentence of its own without the full stop.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        more = len(self.faults) - _SHOWN_FAULTS
        shown = list(self.faults[:_SHOWN_FAULTS])
        if len(shown) > 1:
            shown = [f"({number}) {fault}" for number, fault in enumerate(shown, 1)]
        super().__init__("; ".join([*shown, *([f"and {more} faults more"] if more > 0 else [])]))


class HandOverFailed(WaiterError):
    """Lambda did not take the continuation. `reply_lost`: or it did, and nothing was heard of it."""

    def __init__(self, message: str, *, reply_lost: bool = False) -> None:
        super().__init__(message)
        self.reply_lost = reply_lost


class AnswerTooLarge(WaiterError):
    """AWS's answer to a call is longer than a function has the memory to parse."""


class DeliveryFailed(WaiterError):
    """CloudFormation did not take the answer. The invocation fails, so that Lambda runs it again."""


class StackUnknown(WaiterError):
    """CloudFormation does not say whether the stack of an Update that fails rolls back.

    A FAILED could leave the stack stuck. The invocation fails, so that Lambda runs it again. The message is the Reason.
    """


class GaveUp(WaiterError):
    """A direct invocation ends without the image, so that its caller sees a function error."""
