"""Values as sentences show them: short, on one line and harmless, whatever a template or an image says."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

# The beginning of a command in the log of GitHub Actions (`::` before a line's first word, `##[` anywhere), Azure
# Pipelines (`##vso[`) or TeamCity (`##teamcity[`). Whoever shows a text may break its lines at any blank.
_COMMAND: Final = re.compile(r"(?<!\S):(?=:)|#(?=#\w*\[)")


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
    """Shorten a text to what a sentence can bear."""
    return harmless(text if len(text) <= longest else text[: longest - 3] + "...")


def shown(value: object) -> str:
    """Show a value shortly and as JSON would, so that a list, a number and a string can be told apart."""
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
    """Return a moment, in seconds since 1970, as ISO 8601 in UTC and whole seconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """Say a duration as a person would: `45 s`, `30 min`, `12 min 5 s`, `3 h 20 min`, `5 days`."""
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
    """Say an error of AWS's by its code and its message."""
    message = " ".join(message.split())  # a Reason is one line
    return f"{code}: {message}" if message else code


def times(count: int) -> str:
    """Say how often: `never`, `once`, `3 times`."""
    return {0: "never", 1: "once"}.get(count, f"{count} times")
