"""What tests print is kept, also of those that pass, for the one check that reads all of it (tests/policy/leaks.py)."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.isolation import keep_accounts_out_of_reach

# No example has a deadline, because a machine may be busy. `make test` draws the same few examples every time.
settings.register_profile(
    "test", max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile("acceptance", settings.get_profile("test"), max_examples=1000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


def pytest_configure() -> None:
    keep_accounts_out_of_reach()


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for everything that a process of this run prints."""
    named = os.environ.get("TEST_OUTPUT")
    return Path(named).resolve() if named else tmp_path_factory.mktemp("output")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a test printed and logged, tracebacks included."""
    folder = os.environ.get("TEST_OUTPUT")
    if folder and (report.sections or report.longrepr):
        with Path(folder, "captured.txt").open("a", errors="replace") as file:
            file.writelines(f"--- {report.nodeid} {title}\n{text}\n" for title, text in report.sections)
            if report.longrepr:
                file.write(f"--- {report.nodeid} {report.outcome}\n{report.longreprtext}\n")
