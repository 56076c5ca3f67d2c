"""The command `ecr-image-waiter`, for pipelines and laptops. Lambda's artifact goes without this package."""

import io
import logging
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NoReturn

from ecr_image_waiter.core.messages import harmless


def main() -> int:
    """Runs the command with this process's arguments and streams, and returns its exit status."""
    # None stands for one that was closed before the command began, as `>&-` does.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # until the process ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr is: a label may say what its encoding cannot
    signal.signal(signal.SIGTERM, _interrupt)
    # What botocore and urllib3 have to say without being asked is no part of the output.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        return _run()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the output has ended.
        _drop_what_cannot_be_written()
        return 141
    except Exception:  # noqa: BLE001  # a bug of ours must not pass for a missing image
        with suppress(OSError):  # as where stderr is on a full disk, which is how one gets here
            sys.stderr.writelines(f"{harmless(line)}\n" for line in traceback.format_exc().rstrip().split("\n"))
        _drop_what_cannot_be_written()
        return 70


def _drop_what_cannot_be_written() -> None:
    """Keeps Python from writing again at exit, which would change the exit status to 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run() -> int:
    # An interrupt meanwhile counts afterwards, when it can be told as a result.
    interrupts: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: interrupts.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    from .options import parse  # noqa: PLC0415  # may be interrupted

    line = parse(sys.argv[1:])  # help and its like end here
    # botocore takes long enough to be interrupted.
    from ecr_image_waiter.aws.clients import SystemClock  # noqa: PLC0415  # as above

    from .command import Edges, run  # noqa: PLC0415  # as above
    from .connection import connect  # noqa: PLC0415  # as above
    from .screen import screen  # noqa: PLC0415  # as above

    for number, handler in handlers.items():
        signal.signal(number, handler)

    clock, terminal = SystemClock(), sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    edges = Edges(
        stdin=sys.stdin,
        stdout=sys.stdout,
        stderr=sys.stderr,
        show=lambda standing, quiet: screen(standing, clock, sys.stderr, terminal=terminal, quiet=quiet),
        width=(os.get_terminal_size(sys.stderr.fileno()).columns or 80) if terminal else 0,
        clock=clock,
        random=Random(),  # noqa: S311  # spreads checks, guards nothing
        connect=_interrupt if interrupts else connect,
        publish=_publish,
    )
    return int(run(line, edges))


def _publish(variable: str, text: str) -> None:
    """Adds a text to the file that a job of GitHub Actions names in a variable."""
    file = os.environ.get(variable)
    if file:
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(text)


def _interrupt(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt
