"""Scenarios that run side by side are tests of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes import ROOT

MODULE = """
from pathlib import Path

import pytest

from tests.support.side_by_side import side_by_side

HERE = Path(__file__).parent
NAMES = ["one", "another", "needed", "in two places"]


@pytest.fixture(scope="module")
def running(request):
    def job(name):
        return lambda: (HERE / name).touch()

    jobs = {name: job(name) for name in NAMES[:3]} | {(NAMES[3], place): job(place) for place in ("here", "there")}
    return side_by_side(request, jobs, at_once=1, needs={"another": "needed"})


@pytest.mark.parametrize("name", NAMES[:3])
def test_one(running, name):
    running[name].result(timeout=60)


@pytest.mark.parametrize("place", ["here", "there"])
@pytest.mark.parametrize("name", NAMES[3:])
def test_two(running, name, place):
    running[name, place].result(timeout=60)
"""


@pytest.mark.parametrize(
    ("expression", "ran"),
    [
        ("one and not two", {"one", "another", "needed"}),
        ("test_one and another", {"another", "needed"}),
        ("there", {"there"}),
    ],
)
def test_a_scenario_that_is_selected_runs_with_what_it_needs_and_nothing_else(
    expression: str, ran: set[str], tmp_path: Path
) -> None:
    (tmp_path / "test_scenarios.py").write_text(MODULE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
        "-k",
        expression,
    ]
    done = subprocess.run([*command, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert {path.name for path in tmp_path.iterdir()} - {"test_scenarios.py", "__pycache__"} == ran
