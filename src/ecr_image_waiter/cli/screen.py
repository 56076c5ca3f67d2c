"""What the command shows while it waits: one live line on a terminal, plain lines elsewhere, nothing if so asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ecr_image_waiter.core.deadline import Clock
from ecr_image_waiter.core.format import duration, harmless, times

_REFRESHES_A_SECOND: Final = 4


@dataclass
class Standing:
    """Where a wait stands, in words. `start` and `due` are moments, in seconds since 1970 UTC; `due` 0: not known."""

    subject: str
    start: float
    checks: int = 0
    seen: str = ""
    due: float = 0.0

    def told(self, now: float) -> str:
        """Say what was seen so far."""
        return (
            f"waited {duration(now - self.start)} for {self.subject}, checked {times(self.checks)}"
            f"{f', last seen: {self.seen}' if self.seen else ''}"
        )

    def line(self, now: float) -> Text:
        """Return the live line."""
        subject = harmless(self.subject)
        if not self.checks:
            return Text.assemble(("● ", "yellow"), f"{subject}  ", (duration(now - self.start), "bold"), "  looking")
        due = max(self.due - now, 0.0)
        return Text.assemble(
            ("● ", "yellow"),
            f"{subject}  ",
            (duration(now - self.start), "bold"),
            f"  checked {times(self.checks)}, next in {duration(due)}" if due else f"  checked {times(self.checks)}",
            (f"  {harmless(self.seen)}", "dim"),
        )


class Screen(Protocol):
    """Shows how a wait goes on."""

    def checked(self, standing: Standing, now: float) -> None:
        """Be told that there was a check."""


class Quiet:
    """Shows nothing."""

    def checked(self, standing: Standing, now: float) -> None:
        """See `Screen`."""


class Lines:
    """Shows a line for each check, for the log of a pipeline."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def checked(self, standing: Standing, now: float) -> None:
        """See `Screen`."""
        due = f"; the next in {max(standing.due - now, 0.0):.1f} s" if standing.due else ""
        check = f"check {standing.checks} of {standing.subject}: {standing.seen}"
        self._stream.write(harmless(f"{duration(now - standing.start)}: {check}{due}") + "\n")
        self._stream.flush()


class LiveLine:
    """A renderable that is a line as it is now, whenever it is drawn."""

    def __init__(self, standing: Standing, clock: Clock) -> None:
        self._standing = standing
        self._clock = clock

    def __rich__(self) -> Text:
        line = self._standing.line(self._clock.now())
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


@contextmanager
def screen(standing: Standing, clock: Clock, stream: TextIO, *, terminal: bool, quiet: bool) -> Iterator[Screen]:
    """Show how a wait goes on for as long as the context lasts; nothing of a live line stays behind.

    Args:
        standing: where it stands.
        clock: the time.
        stream: where to show it.
        terminal: whether that is a terminal on which lines can be drawn anew.
        quiet: whether to show nothing.
    """
    if quiet:
        yield Quiet()
    elif terminal:
        console = Console(file=stream, force_terminal=True)
        with Live(LiveLine(standing, clock), console=console, refresh_per_second=_REFRESHES_A_SECOND, transient=True):
            yield Quiet()  # the line draws itself
    else:
        yield Lines(stream)
