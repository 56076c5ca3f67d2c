"""Hold a function's process to a share of a core once its INIT is over, as Lambda does with little memory.

By a control group: the kernel's own accounting, in periods of 20 ms. Where none can be made, nothing is held, and the
report leaves these figures out.

Lambda's share is memory / 1769 MB of a core (Developer Guide, "Configure Lambda function memory"); how its periods are
cut is not documented.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sandbox.rie import Emulator

FULL_CORE_MB: Final = 1769
_PERIOD: Final = 20_000  # microseconds
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
def held(share: float, environment: Emulator) -> Iterator[None]:
    """Hold the function of an environment to a share of a core after INIT, until the environment has ended.

    It is to end within the `with` block.
    """
    over = threading.Event()
    with _group(share) as group:

        def hold() -> None:
            pid = None
            while not over.is_set() and (pid is None or _INIT_IS_OVER not in environment.output()):
                with contextlib.suppress(RuntimeError):  # the process is not there yet
                    pid = pid or environment.function_pid()
                time.sleep(0.0005)
            with contextlib.suppress(OSError):  # it has ended meanwhile
                (group / "cgroup.procs").write_text(str(pid))

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def calibrate(share: float) -> float | None:
    """Return the share of a core that a busy process gets in a control group; None where none can be made."""
    loop = subprocess.Popen([sys.executable, "-c", _LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        with _group(share) as group:
            (group / "cgroup.procs").write_text(str(loop.pid))
            return float(loop.communicate("\n")[0])
    except OSError:
        return None
    finally:
        loop.kill()
        loop.wait()


@contextmanager
def _group(share: float) -> Iterator[Path]:
    """Make a control group for a share of a core."""
    v1 = (_V1 / "cpu.cfs_quota_us").exists()
    group = (_V1 if v1 else _V2) / f"ecr-image-waiter-bench-{os.getpid()}"
    quota = max(round(_PERIOD * share), 1000)
    group.mkdir()
    try:
        if v1:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
        yield group
    finally:
        for _ in range(50):  # until the last process in it is gone
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.02)
            else:
                break
