"""A program of the sandbox is gone when it is stopped, and leaves nothing when it ends by itself."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.processes import Program, ProgramDied, awaits_input, free_port
from tests.waiting import eventually

FORKS = "import subprocess, sys, time; subprocess.Popen(['sleep', '600']); time.sleep({seconds}); sys.exit(3)"


def started(tmp_path: Path, seconds: float) -> Program:
    return Program("forks", [sys.executable, "-c", FORKS.format(seconds=seconds)], {}, tmp_path)


def test_a_program_that_is_stopped_takes_its_children_with_it(tmp_path: Path) -> None:
    with started(tmp_path, 600) as program:
        eventually(lambda: ["sleep", "600"] in program.processes().values(), "the child runs")
    eventually(lambda: not program.processes(), "nothing is left")


def test_a_program_that_ends_by_itself_takes_its_children_with_it_and_is_said_to_have_died(tmp_path: Path) -> None:
    with started(tmp_path, 0.5) as program:
        eventually(lambda: ["sleep", "600"] in program.processes().values(), "the child runs")
        with pytest.raises(ProgramDied, match="forks did not come up"):
            program.wait_until(lambda: False)
        eventually(lambda: not program.processes(), "nothing is left")


def test_only_a_program_s_own_listener_counts(tmp_path: Path) -> None:
    mine, others = free_port(), free_port()
    serve = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]
    with Program("mine", [*serve, str(mine)], {}, tmp_path) as program:
        program.wait_until(lambda: program.listens(mine))
        with Program("other", [*serve, str(others)], {}, tmp_path) as other:
            other.wait_until(lambda: other.listens(others))
            assert not program.listens(others)


def test_no_port_is_handed_out_twice() -> None:
    with ThreadPoolExecutor(8) as threads:
        ports = list(threads.map(lambda _: free_port(), range(200)))
    assert len(set(ports)) == 200


def test_a_process_that_reads_its_input_is_told_from_one_that_is_at_work_or_gone() -> None:
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE) as reader,  # noqa: S607  # whichever there is
        subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE) as sleeper,  # noqa: S607  # as above
    ):
        eventually(lambda: awaits_input(reader.pid), "it reads")
        assert not awaits_input(sleeper.pid)
        sleeper.kill()
    eventually(lambda: awaits_input(sleeper.pid), "it is gone")
