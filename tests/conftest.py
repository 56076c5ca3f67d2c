"""What tests print is kept, also of those that pass, for the one check that reads all of it (tests/policy/leaks.py)."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.budget import DURATIONS
from tests.support.isolation import keep_accounts_out_of_reach

DRAWN = os.environ.get("DRAWN_EXAMPLES")
# No example has a deadline, because a machine may be busy. `make test` draws the same few examples every time.
settings.register_profile(
    "ours",
    max_examples=int(DRAWN or 25),
    deadline=None,
    derandomize=not DRAWN,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("ours")


def pytest_configure() -> None:
    keep_accounts_out_of_reach()


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for everything that a process of this run prints."""
    named = os.environ.get("TEST_OUTPUT")
    return Path(named).resolve() if named else tmp_path_factory.mktemp("output")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep how long a test took, and what it printed and logged, tracebacks included."""
    folder = os.environ.get("TEST_OUTPUT")
    if not folder:
        return
    with Path(folder, DURATIONS).open("a") as file:
        file.write(f"{report.duration:.3f} {report.nodeid}\n")
    if report.sections or report.longrepr:
        with Path(folder, "captured.txt").open("a", errors="replace") as file:
            file.writelines(f"--- {report.nodeid} {title}\n{text}\n" for title, text in report.sections)
            if report.longrepr:
                file.write(f"--- {report.nodeid} {report.outcome}\n{report.longreprtext}\n")
