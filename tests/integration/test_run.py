"""A run of the tests leaves no process behind, however it ends, and says what became of its steps."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes import PATIENCE, ROOT
from tests.run import step
from tests.support.patience import eventually
from tests.support.processes import processes_naming

STEP = """
import subprocess, sys, time
from pathlib import Path
from sandbox.processes import Program
plain = subprocess.Popen(["sleep", "600"])
program = Program("sleep", ["sleep", "600"], {}, Path(sys.argv[1]))
print("up", flush=True)
time.sleep(600)
"""
RUNNER = """
import sys
from pathlib import Path
from tests.run import leave_nothing_behind, side_by_side
leave_nothing_behind()
step = [sys.executable, "-c", sys.argv[2], sys.argv[1]]
side_by_side([{"one": step}, {"other": step}], Path(sys.argv[1]), {})
"""


def started(program: list[str | Path], mark: str) -> subprocess.Popen[str]:
    """Starts a run of two steps, and returns once each step has started its programs."""
    process = subprocess.Popen(
        [sys.executable, "-c", *program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "MARK": mark},
    )
    assert process.stdout
    up: set[str] = set()
    while len(up) < 2:
        line = process.stdout.readline()
        assert line, "it ended"
        up |= {line} if line.endswith("| up\n") else set()
    # A program is started by its supervisor, which may come to it after the step has printed.
    eventually(lambda: sum("sleep 600" in each for each in processes_naming(mark)) >= 4, "all programs run")
    return process


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_run_that_is_interrupted(ending: signal.Signals, tmp_path: Path) -> None:
    mark = f"run-by-test-{ending.name}-{os.getpid()}"
    with started([RUNNER, tmp_path, STEP], mark) as process:
        process.send_signal(ending)
        assert process.wait(PATIENCE) != 0
        eventually(lambda: not processes_naming(mark), "nothing is left")


def test_a_step_that_fails_ends_the_run_with_its_status_and_leaves_nothing_that_it_started(tmp_path: Path) -> None:
    mark = f"run-by-test-of-a-step-{os.getpid()}"
    program = "import subprocess, sys; subprocess.Popen(['sleep', '600']); print('told'); sys.exit(3)"

    with pytest.raises(SystemExit, match="=== mine failed with status 3"):
        step("mine", [sys.executable, "-c", program], tmp_path, {"MARK": mark})

    assert (tmp_path / "steps.txt").read_text() == "told\n"
    eventually(lambda: not processes_naming(mark), "nothing is left")
