"""Nothing that an image's pusher, a build or a stack says fills the function's memory: of 128 MB it takes below 100."""

from pathlib import Path

import pytest

from sandbox import memory
from sandbox.cloud import Cloud
from tests.support.case_selection import some_slow

MOST = 100_000_000
CASES: dict[str, memory.Case] = {case.__name__: case for case in memory.CASES}


@pytest.mark.parametrize("name", some_slow(CASES, lambda name: name != "twenty_large"))
def test_a_check_of_the_worst_that_can_be_pushed_takes_below_a_hundred_megabytes(
    cloud: Cloud, output: Path, name: str
) -> None:
    most, outcome = memory.peak(cloud.artifact, CASES[name], output / "memory")

    assert most < MOST
    told = outcome.get("errorMessage", "found")
    assert told.startswith("found") or "cannot be checked" in told or "newest tags" in told, told


@pytest.mark.slow
def test_a_wait_across_invocations_that_follows_builds_takes_below_a_hundred_megabytes(
    cloud: Cloud, output: Path
) -> None:
    most, invocations = memory.peak_of_wait(cloud.artifact, output / "memory", seconds=20, timeout=15)

    assert most < MOST
    assert invocations > 1
