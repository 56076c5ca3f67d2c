"""Values as sentences show them: short, on one line and in valid Unicode, whatever a template says."""

from collections.abc import Mapping
from datetime import UTC, datetime


def clipped(text: str, longest: int = 60) -> str:
    """Shorten a text to what a sentence can bear."""
    text = text if len(text) <= longest else text[: longest - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
