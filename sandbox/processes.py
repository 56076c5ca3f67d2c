"""Programs that the sandbox starts: on loopback, logging to a file, and gone when it is."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

ROOT = Path(__file__).resolve().parent.parent
PATIENCE: Final = 300.0
"""Seconds for which whatever waits for an event waits at most: far more than any takes on a busy machine."""
_READ = {"0", "63"}  # the number of the system call, on x86_64 and on arm64

_handed_out: set[int] = set()
_handing_out = threading.Lock()


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on, another one each time. Another process may take it before it is used."""
    with _handing_out:
        while True:
            with socket.socket() as probe:
                probe.bind((host, 0))
                port = int(probe.getsockname()[1])
            if port not in _handed_out:
                _handed_out.add(port)
                return port


def require_free(port: int, host: str) -> None:
    """Raise `PortTaken` if a port cannot be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"Port {port} of {host} cannot be used ({error.strerror}): name another one, PORT=..."
            raise PortTaken(message) from None


def listens(port: int) -> bool:
    """Whether a program on this machine listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class PortTaken(RuntimeError):
    """A port that was asked for belongs to another program."""


class ProgramDied(RuntimeError):
    """A program ended before it was asked to, or never came up."""


class Program:
    """A running program. Use it as a context manager, or call `stop`.

    `environment` is added to this process's; None takes a variable away. `log` is the folder for the log file `name`.
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
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, ROOT / "sandbox" / "supervise.py", *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={key: value for key, value in merged.items() if value is not None},
                cwd=folder,
                # Its own group: Ctrl-C in the terminal is for this process, which then stops the program in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process that leads the program's session."""
        return self._process.pid

    def processes(self) -> dict[int, list[str]]:
        """Return the command of each process of the program, its supervisor among them, by process id."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.getsid(int(folder.name)) == self._process.pid:
                    found[int(folder.name)] = (folder / "cmdline").read_text().split("\0")[:-1]
            except OSError:
                continue  # it ended during the check
        return {pid: command for pid, command in found.items() if command}  # one that has ended has none

    def wait_until(self, ready: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Return when `ready` says so, or raise `ProgramDied` with the program's last output."""
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


def awaits_input(pid: int) -> bool:
    """Whether a process has nothing to do but to read its standard input, or is not there."""
    try:
        number, *arguments = Path(f"/proc/{pid}/syscall").read_text().split()
    except OSError:
        return True
    return number in _READ and int(arguments[0], 16) == 0
