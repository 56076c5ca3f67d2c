"""What a run says of the time that it took."""

import re
from pathlib import Path

import pytest

from sandbox.processes import ROOT
from tests.support.budget import BUDGETS, DURATIONS, slowest, verdict


def test_the_slowest_tests_of_all_streams_are_named_with_setup_and_teardown(tmp_path: Path) -> None:
    for stream, lines in {"unit": ["1.5 a", "0.5 a", "0.1 b"], "e2e": ["9 c[two words]"]}.items():
        (tmp_path / stream).mkdir()
        (tmp_path / stream / DURATIONS).write_text("".join(f"{line}\n" for line in lines))

    assert slowest(tmp_path, 2) == [("c[two words]", 9.0), ("a", 2.0)]


@pytest.mark.parametrize("target", BUDGETS)
def test_a_run_that_exceeds_its_budget_says_so(target: str) -> None:
    assert "OVER" not in verdict(target, BUDGETS[target])
    assert "OVER" in verdict(target, BUDGETS[target] + 1)


def test_contributing_names_the_budgets() -> None:
    rows = re.findall(r"^\| `make (\w+)`[^|]*\| (\d+) s", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert {target: int(seconds) for target, seconds in rows} == BUDGETS
