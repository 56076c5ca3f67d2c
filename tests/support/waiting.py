"""Waiting for something to happen that happens elsewhere."""

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Return when a condition holds. Raises an AssertionError that says `what` did not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
