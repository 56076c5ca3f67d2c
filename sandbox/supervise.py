"""Run one program for as long as the process that asked for it lives.

`supervise.py [--status-to FD] PROGRAM ARG...`, leading a process group, with a pipe as standard input. When the pipe
closes, because the owner stopped the program or died in whatever way, the program and all it started are ended; what it
started is also ended when it ends by itself. Nothing else on the machine is. The file descriptor gets the exit status.
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
    command, status_to = sys.argv[1:], -1
    if command[0] == "--status-to":
        status_to, command = int(command[1]), command[2:]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def follow() -> None:
        status = child.wait()
        if status_to >= 0:
            os.write(status_to, str(status).encode())
        os.killpg(0, signal.SIGKILL)  # itself too: the owner sees that it has ended

    threading.Thread(target=follow, daemon=True).start()
    sys.stdin.read()
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
