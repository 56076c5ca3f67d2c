"""Run one program for as long as the process that asked for it lives.

`supervise.py PROGRAM ARG...`, leading a process group, with a pipe as standard input. When the pipe closes, because the
owner stopped the program or died in whatever way, the program and all it started are ended; what it started is also
ended when it ends by itself. Nothing else on the machine is.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 3


def main() -> None:
    """Start the program, and end it with the owner."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def follow() -> None:
        child.wait()
        os.killpg(0, signal.SIGKILL)  # itself too: the owner sees that it has ended

    threading.Thread(target=follow, daemon=True).start()
    sys.stdin.read()
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
