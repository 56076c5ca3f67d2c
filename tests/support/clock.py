"""Time for tests, which passes only when somebody sleeps."""

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Final

NOW: Final = 1_793_534_400.0
"""2026-11-01T12:00:00Z."""


class FakeClock:
    """A clock on which nothing but sleeping takes time. What is planned happens while somebody sleeps.

    Args:
        now: seconds since 1970 UTC.
        overshoot: seconds by which each sleep lasts too long, as real ones do.
    """

    def __init__(self, now: float = NOW, overshoot: float = 0.0) -> None:
        self.time = now
        self.overshoot = overshoot
        self.sleeps: list[float] = []
        self.pauses: list[tuple[float, float]] = []
        """Of each sleep: when it began, and until when it was to last."""
        self.sleeper: Callable[[float], object] | None = None
        """Who lets the caller sleep, if others run meanwhile."""
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.sleeps.append(seconds)
        self.pauses.append((self.time, self.time + seconds))
        if self.sleeper:
            self.sleeper(seconds)
            return
        wakes = self.time + seconds + self.overshoot
        while self.next_plan <= wakes:
            self.go_on()
        self.time = wakes

    def advance(self, seconds: float) -> None:
        """Lets time pass without anybody sleeping."""
        self.time += seconds

    def plan(self, after: float, action: Callable[[], object]) -> None:
        """Has something happen so many seconds from now."""
        self.plan_at(self.time + after, action)

    def plan_at(self, moment: float, action: Callable[[], object]) -> None:
        """Has something happen at a moment."""
        heapq.heappush(self._agenda, (moment, next(self._order), action))

    @property
    def next_plan(self) -> float:
        """When the next thing happens."""
        return self._agenda[0][0] if self._agenda else math.inf

    def go_on(self) -> None:
        """Goes to the next thing that is planned, and lets it happen."""
        self.time, _, action = heapq.heappop(self._agenda)
        action()
