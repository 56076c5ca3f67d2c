"""Hold a function's process to a share of a core once its INIT is over, as Lambda does with little memory.

A program of its own, so that what the benchmark does meanwhile does not disturb it:
`python -m bench.share SHARE EMULATOR_PID LOG`. It finds the process among those that the emulator's supervisor leads,
waits for the line of the log that ends INIT, and holds the process from then on until it has ended.

By a control group where this machine lets one be made: the kernel's own accounting, in periods of 20 ms. Else by
stopping the process (SIGSTOP) after its share of each 20 ms and letting it go on in the next. `calibrate` says how well
that works here.

Lambda's share is memory / 1769 MB of a core (Developer Guide, "Configure Lambda function memory"); how its periods are
cut is not documented.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sandbox.processes import ROOT

FULL_CORE_MB: Final = 1769
_PERIOD: Final = 0.02
_INIT_IS_OVER: Final = "INIT RTDONE"
_V1: Final = Path("/sys/fs/cgroup/cpu")
_V2: Final = Path("/sys/fs/cgroup")
_LOOP: Final = """
import sys, time
sys.stdin.readline()
began, used = time.monotonic(), time.process_time()
while time.monotonic() < began + 2: pass
print((time.process_time() - used) / (time.monotonic() - began))
"""


def share_of(memory: int) -> float:
    """Return the share of a core that a function with so many MB gets."""
    return min(memory / FULL_CORE_MB, 1.0)


@contextmanager
def held(share: float, session: int, log: Path) -> Iterator[None]:
    """Hold the function of an emulator to a share of a core after INIT, while a `with` block runs.

    Args:
        share: of a core; 1 or more holds nothing.
        session: the process id of the emulator's supervisor.
        log: the emulator's.

    The emulator is to be stopped within the block.
    """
    if share >= 1.0:
        yield
        return
    process = subprocess.Popen([sys.executable, "-m", "bench.share", str(share), str(session), str(log)], cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def calibrate(share: float) -> tuple[str, float]:
    """Return how a process is held to a share here, and what share a busy one then gets."""
    group = _make_group(share)
    loop = subprocess.Popen([sys.executable, "-c", _LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if group:
            (group / "cgroup.procs").write_text(str(loop.pid))
        if loop.stdin:
            loop.stdin.write("\n")
            loop.stdin.flush()
        if not group:
            _stop_and_go(loop.pid, share, lambda: loop.poll() is None)
        got = float(loop.communicate()[0])
    finally:
        loop.kill()
        loop.wait()
        _remove(group)
    return ("a control group" if group else "SIGSTOP and SIGCONT"), got


def _make_group(share: float) -> Path | None:
    """Return a control group for a share of a core, None where none can be made."""
    v1 = (_V1 / "cpu.cfs_quota_us").exists()
    group = (_V1 if v1 else _V2) / f"ecr-image-waiter-bench-{os.getpid()}"
    period, quota = round(_PERIOD * 1e6), max(round(_PERIOD * share * 1e6), 1000)
    try:
        group.mkdir()
        if v1:
            (group / "cpu.cfs_period_us").write_text(str(period))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {period}")
    except OSError:
        _remove(group)
        return None
    return group


def _remove(group: Path | None) -> None:
    for _ in range(50 if group and group.exists() else 0):
        with contextlib.suppress(OSError):
            group.rmdir()  # type: ignore[union-attr]  # see the line above
            return
        time.sleep(0.02)  # until the last process in it is gone


def _stop_and_go(pid: int, share: float, lasts: Callable[[], bool]) -> None:
    with contextlib.suppress(ProcessLookupError):
        while lasts():
            began = time.monotonic()
            os.kill(pid, signal.SIGCONT)
            _until(began + _PERIOD * share)
            os.kill(pid, signal.SIGSTOP)
            _until(began + _PERIOD)
        os.kill(pid, signal.SIGCONT)


def _until(moment: float) -> None:
    time.sleep(max(moment - time.monotonic(), 0.0))


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _function_of(session: int) -> int | None:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getsid(int(folder.name)) == session:
                command = (folder / "cmdline").read_text().split("\0")
                if command[1:3] == ["-m", "awslambdaric"]:
                    return int(folder.name)
    return None


def main() -> None:
    """See the module."""
    share, session, log = float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    group = _make_group(share)
    try:
        pid = None
        while running and pid is None and _is_there(session):
            pid = _function_of(session)
            time.sleep(0.005)
        with log.open() as lines:
            while running and _is_there(session) and _INIT_IS_OVER not in lines.read():
                time.sleep(0.0003)
        if pid is None or not running or not _is_there(pid):
            return
        if group:
            (group / "cgroup.procs").write_text(str(pid))
            while running and _is_there(pid):
                time.sleep(0.05)
        else:
            _stop_and_go(pid, share, lambda: running and _is_there(pid))
    finally:
        _remove(group)


if __name__ == "__main__":
    main()
