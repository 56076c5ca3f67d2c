"""Waiting for something to happen that happens elsewhere."""

import time
from collections.abc import Callable
from typing import Final

from sandbox.processes import PATIENCE

NO_SIGN_OF_AN_END: Final = 30.0
"""Seconds. A call that has a second or less ends before that, on a busy machine too. A call without a deadline to a
peer that never answers takes a minute or more."""


def eventually(condition: Callable[[], object], what: str) -> None:
    """Return when a condition holds. Raises an AssertionError that says `what` did not come true in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.05)
