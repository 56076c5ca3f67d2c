"""The time of day, as something that is handed in."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time, because a wait goes on in another process and its start must mean the same there."""

    def now(self) -> float:
        """Return the time as seconds since 1970-01-01 UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after about `seconds`; a caller that must not wake early looks at `now()` again."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return the time as seconds since 1970-01-01 UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        time.sleep(seconds)
