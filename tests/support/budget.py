"""How long the tests took, and how long they may take."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DURATIONS: Final = "durations.txt"
"""The file in each stream's output with a line for each phase of each test: its seconds and the test."""
BUDGETS: Final[Mapping[str, int]] = {"check": 30, "test": 240, "acceptance": 900}
"""Seconds that a target of make may take on two idle cores, where all is set up."""


def slowest(output: Path, number: int = 10) -> list[tuple[str, float]]:
    """Returns the slowest tests of a run with their seconds, set-up and teardown included."""
    seconds: Counter[str] = Counter()
    for file in output.rglob(DURATIONS):
        for line in file.read_text().splitlines():
            duration, test = line.split(" ", 1)
            seconds[test] += float(duration)  # type: ignore[assignment]  # a Counter counts fractions, too
    return [(test, float(taken)) for test, taken in seconds.most_common(number)]


def verdict(target: str, seconds: float) -> str:
    """Returns what to print of the time that a target took."""
    budget = BUDGETS[target]
    over = f", OVER its budget of {budget} s (CONTRIBUTING.md)" if seconds > budget else f" of {budget} s"
    return f"make {target}: {seconds:.0f} s{over}"
