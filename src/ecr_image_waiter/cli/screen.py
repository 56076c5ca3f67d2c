"""The command's progress: one live line on a terminal, plain lines elsewhere, nothing if quiet.

Without rich, a terminal gets plain lines too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, TextIO

from ecr_image_waiter.core.deadline import Clock
from ecr_image_waiter.core.messages import duration, harmless, times

if TYPE_CHECKING:
    from rich.text import Text


@dataclass
class Standing:
    """The progress of a wait, in words. `start` and `due` are moments, in seconds since 1970 UTC; `due` 0: unknown."""

    subject: str
    start: float
    checks: int = 0
    seen: str = ""
    due: float = 0.0

    def told(self, now: float) -> str:
        """Returns the state of the wait."""
        return (
            f"waited {duration(now - self.start)} for {self.subject}, checked {times(self.checks)}"
            f"{f', last seen: {self.seen}' if self.seen else ''}"
        )

    def checked(self, now: float) -> str:
        """Returns the result of the latest check, and the time until the next."""
        due = f"; the next in {max(self.due - now, 0.0):.1f} s" if self.due else ""
        return f"{duration(now - self.start)}: check {self.checks} of {self.subject}: {self.seen}{due}"


class LiveLine:
    """A renderable that is a line as it is now, whenever it is drawn."""

    def __init__(self, standing: Standing, clock: Clock) -> None:
        self._standing = standing
        self._clock = clock

    def __rich__(self) -> "Text":
        from rich.text import Text  # noqa: PLC0415  # for a terminal alone

        standing, now = self._standing, self._clock.now()
        done, due = f"checked {times(standing.checks)}" if standing.checks else "checking", max(standing.due - now, 0.0)
        line = Text.assemble(
            ("● ", "yellow"),
            f"{harmless(standing.subject)}  ",
            (duration(now - standing.start), "bold"),
            f"  {done}, next in {duration(due)}" if due else f"  {done}",
            (f"  {harmless(standing.seen)}", "dim") if standing.seen else "",
        )
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


@contextmanager
def screen(
    standing: Standing, clock: Clock, stream: TextIO, *, terminal: bool, quiet: bool
) -> Iterator[Callable[[str], None]]:
    """Shows how a command goes on for as long as the context lasts; nothing of a live line stays behind.

    It gives a function that shows a line, where there is no live one. `terminal`: whether lines of the stream can be
    drawn anew.
    """

    def line(text: str) -> None:
        stream.write(harmless(text) + "\n")
        stream.flush()

    if quiet:
        yield lambda _: None
    elif terminal and find_spec("rich"):
        from rich.console import Console  # noqa: PLC0415  # as above
        from rich.live import Live  # noqa: PLC0415  # as above

        console = Console(file=stream, force_terminal=True)
        with Live(LiveLine(standing, clock), console=console, refresh_per_second=4, transient=True):
            yield lambda _: None  # the line draws itself
    else:
        yield line
