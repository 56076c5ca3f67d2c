"""Text that leaves the process: values as sentences show them, short and harmless, and the exceptions."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

# The beginning of a command in the log of GitHub Actions (`::` before a line's first word, `##[` anywhere), Azure
# Pipelines (`##vso[`) or TeamCity (`##teamcity[`). A viewer may break lines at any blank.
_COMMAND: Final = re.compile(r"(?<!\S):(?=:)|#(?=#\w*\[)")
_SHOWN_FAULTS: Final = 20  # more do not fit into a response
LONGEST_MESSAGE: Final = 600  # characters of AWS that a Reason has room for, escapes included


def harmless(text: str) -> str:
    """Returns a text that prints on one line, and that no terminal and no CI log takes for a command.

    The one place for text that a pusher, a template or AWS has written: each way out of the process passes it through
    here. Escapes control characters, line breaks, marks that turn the direction of writing, halves of surrogate pairs
    and all else that does not print, and the beginning of a log's command. Twice does what once does.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return _COMMAND.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def clipped(text: str, longest: int = 60) -> str:
    """Shortens a text to what a sentence can bear."""
    text = harmless(text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 3] + "..."


def shown(value: object) -> str:
    """Shows a value shortly and as JSON would, so that a list, a number and a string can be told apart."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{clipped(value)}"'
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    try:
        return clipped(str(value))
    except ValueError:  # an integer beyond Python's limit for conversion to text
        return "a number of thousands of digits"


def iso(moment: float) -> str:
    """Returns a moment, in seconds since 1970, as ISO 8601 in UTC and whole seconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """Returns a duration in the largest units that matter: `45 s`, `30 min`, `12 min 5 s`, `3 h 20 min`, `5 days`."""
    whole = max(int(seconds), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    if whole < 60:
        return f"{whole} s"
    if minutes < 120:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    if hours < 48:
        return f"{hours} h" + (f" {minutes_left} min" if minutes_left else "")
    return f"{hours // 24} days"


def coded(code: str, message: str) -> str:
    """Returns an error of AWS as its code and its message, short and on one line."""
    message = " ".join(message.split())  # a Reason is one line
    return clipped(f"{code}: {message}" if message else code, LONGEST_MESSAGE)


def times(count: int) -> str:
    """Returns a count as `never`, `once`, `3 times`."""
    return {0: "never", 1: "once"}.get(count, f"{count} times")


class WaiterError(Exception):
    """Root of everything this package raises. Lambda and Python print what they are not handled by."""

    def __init__(self, message: str) -> None:
        super().__init__(harmless(message))


class UnusableEvent(WaiterError):
    """The event is invalid, so no response can be sent (docs/contract.md). The invocation fails."""


class InvalidRequest(WaiterError):
    """CloudFormation, or a direct caller, asked for something that cannot be done.

    `faults`: every fault of the request, each one a sentence of its own without the full stop.
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
    """AWS's answer to a call exceeds the size that the function may parse."""


class DeliveryFailed(WaiterError):
    """The response could not be sent. The invocation fails, so that Lambda retries the event."""


class StackUnknown(WaiterError):
    """CloudFormation does not say whether the stack of an Update that fails rolls back.

    A FAILED could leave the stack stuck. The invocation fails, so that Lambda runs it again. The message is the Reason.
    """


class GaveUp(WaiterError):
    """A direct invocation ends without the image. Its caller sees a function error, with this class as `errorType`."""
