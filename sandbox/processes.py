"""Programs that the sandbox starts: on loopback, logging to a file, and gone when it is."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on. Somebody else may take it before it is used."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def require_free(port: int, host: str) -> None:
    """Make sure that a port can be listened on.

    Raises:
        PortTaken: somebody does. The message says what to do.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"Port {port} of {host} cannot be used ({error.strerror}): name another one, PORT=..."
            raise PortTaken(message) from None


class PortTaken(RuntimeError):
    """A port that was asked for belongs to another program."""


class ProgramDied(RuntimeError):
    """A program ended before it was asked to, or never came up."""


class Program:
    """A running program. Use it as a context manager, or call `stop`.

    Args:
        name: of its log file.
        command: the program and its arguments.
        environment: added to this process's environment; None takes a variable away.
        log: the folder for its log file.
        folder: the folder it runs in.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str | None],
        log: Path,
        folder: Path = ROOT,
    ) -> None:
        log.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = log / f"{name}.log"
        merged = {**os.environ, **environment}
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "sandbox" / "supervise.py", *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            env={key: value for key, value in merged.items() if value is not None},
            cwd=folder,
            # Its own group: Ctrl-C in the terminal is for this process, which then stops the program in order.
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id of the program's supervisor, which is also the id of the group that it leads."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Return when `ready` says so.

        Raises:
            ProgramDied: it ended, or was not ready in time. The message ends with its last output.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise ProgramDied(f"{self.name} did not come up; its log, {self.log}, ends with:\n{tail}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the program and all it started. Can be called twice."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
