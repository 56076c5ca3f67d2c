"""The picture of the command's screen in the README: a played wait and a look, drawn by the command's own code.

    python -m tests.screen            # write docs/images/command.svg anew
    make screen                       # the same

Nothing in it depends on when or where it is drawn, so a test compares it with what is there.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

from rich.console import Console
from rich.text import Text

from ecr_image_waiter.cli.command import Edges, run
from ecr_image_waiter.cli.connection import Connection
from ecr_image_waiter.cli.options import parse
from ecr_image_waiter.cli.screen import LiveLine, Standing
from sandbox.processes import ROOT
from tests.support.clock import FakeClock
from tests.support.ecr import ACCOUNT, Ecr

PICTURE: Final = ROOT / "docs" / "images" / "command.svg"
COMES_AFTER: Final = 55.0
DRAWN_AFTER: Final = 41.0


class Played:
    """A clock, an ECR and a terminal on which the command's screen is drawn."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ecr = Ecr(self.clock)
        self.terminal = Console(
            file=io.StringIO(), width=140, record=True, force_terminal=True, color_system="truecolor", highlight=False
        )

    def type(self, line: str) -> None:
        self.terminal.print(Text.assemble(("$ ", "bold green"), line), soft_wrap=True)

    def run(self, *arguments: str) -> str:
        """Run the command and return its stdout; its stderr is drawn."""
        out, err = io.StringIO(), io.StringIO()
        run(
            parse(arguments),
            Edges(
                stdin=io.StringIO(),
                stdout=out,
                stderr=err,
                show=self.show,
                width=120,
                clock=self.clock,
                random=Random(1),  # noqa: S311  # any seed
                connect=lambda clock, **_: Connection("eu-west-1", self.ecr.registry(clock), {}, lambda: ACCOUNT),
                publish=lambda *_: None,
            ),
        )
        self.terminal.print(err.getvalue(), end="", soft_wrap=True, markup=False)
        return out.getvalue()

    @contextmanager
    def show(self, standing: Standing, quiet: bool) -> Iterator[Callable[[str], None]]:  # noqa: FBT001  # as `Edges` has it
        """Draw the live line once, as it is in the middle of the wait."""
        if not quiet:
            line = LiveLine(standing, self.clock)
            self.clock.plan(DRAWN_AFTER, lambda: self.terminal.print(line.__rich__(), soft_wrap=True))
        yield lambda _: None


def picture() -> str:
    """Return the picture, as SVG."""
    played = Played()
    played.ecr.push("app", "latest", labels={"revision": "77e01b4"})
    played.clock.time += 86_400 * 2
    played.clock.plan(COMES_AFTER, lambda: played.ecr.push_index("app", "v2", labels={"revision": "8f3c2d1"}))

    played.type("IMAGE=$(ecr-image-waiter wait app:v2 --output uri)")
    uri = played.run("wait", "app:v2", "--output", "uri")
    played.type('echo "$IMAGE"')
    played.terminal.print(uri, end="", soft_wrap=True)
    played.type("ecr-image-waiter check app:v2 app:latest app:v3 --label revision=8f3c2d1")
    out = played.run("check", "app:v2", "app:latest", "app:v3", "--label", "revision=8f3c2d1")
    played.terminal.print(out, end="", soft_wrap=True, markup=False)
    drawn = played.terminal.export_svg(title="ecr-image-waiter", unique_id="command")
    # Without the fonts that it would load from elsewhere: a picture in a README may not.
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL).rstrip() + "\n"


def main() -> None:
    """Write the picture."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
