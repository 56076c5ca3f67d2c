"""Draws the picture of the command's screen in the README: a wait and a check, by the command's own code.

It does not depend on when or where it is drawn, so a test compares it with docs/images/command.svg.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.text import Text

from ecr_image_waiter.cli.results import Status
from ecr_image_waiter.cli.screen import LiveLine, Standing
from sandbox.processes import ROOT
from tests.support.command import Command

PICTURE: Final = ROOT / "docs" / "images" / "command.svg"
DRAWN_AFTER: Final = 41.0


class Screen(Command):
    """The command, whose stderr and live line are drawn on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.terminal = Console(
            file=io.StringIO(), width=140, record=True, force_terminal=True, color_system="truecolor", highlight=False
        )
        self.width = 120

    def type(self, line: str) -> None:
        self.terminal.print(Text.assemble(("$ ", "bold green"), line), soft_wrap=True)

    def __call__(self, *arguments: str) -> Status:
        status = super().__call__(*arguments)
        self.terminal.print(self.err, end="", soft_wrap=True, markup=False)
        return status

    @contextmanager
    def show(self, standing: Standing, quiet: bool) -> Iterator[Callable[[str], None]]:  # noqa: FBT001  # as `Edges` has it
        """Draws the live line once, as it is in the middle of the wait."""
        if not quiet:
            line = LiveLine(standing, self.clock)
            self.clock.plan(DRAWN_AFTER, lambda: self.terminal.print(line.__rich__(), soft_wrap=True))
        yield lambda _: None


def picture() -> str:
    """Returns the picture, as SVG."""
    screen = Screen()
    screen.ecr.push("app", "latest", labels={"revision": "77e01b4"})
    screen.clock.time += 86_400 * 2
    screen.clock.plan(55.0, lambda: screen.ecr.push_index("app", "v2", labels={"revision": "8f3c2d1"}))

    screen.type("IMAGE=$(ecr-image-waiter wait app:v2 --output uri)")
    screen("wait", "app:v2", "--output", "uri")
    screen.type('echo "$IMAGE"')
    screen.terminal.print(screen.out, end="", soft_wrap=True)
    screen.type("ecr-image-waiter check app:v2 app:latest app:v3 --label revision=8f3c2d1")
    screen("check", "app:v2", "app:latest", "app:v3", "--label", "revision=8f3c2d1")
    screen.terminal.print(screen.out, end="", soft_wrap=True, markup=False)
    drawn = screen.terminal.export_svg(title="ecr-image-waiter", unique_id="command")
    # Without the fonts that it would load from elsewhere: a picture in a README may not.
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL).rstrip() + "\n"


def main() -> None:
    """Writes the picture."""
    PICTURE.write_text(picture(), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
