"""One sandbox for all end-to-end tests of a run, with an artifact that runs side by side share."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cloud import STACK, Cloud, build
from tests.support.functions import EVERYTHING, LONG_TIMEOUT, TIMEOUT, Deployed


@pytest.fixture(scope="session")
def cloud(output: Path) -> Iterator[Cloud]:
    """An emulated account with nothing in it. What its functions logged is kept."""
    with Cloud(log=output / "sandbox") as cloud:
        if shared := os.environ.get("SHARED_ARTIFACT"):
            cloud.artifact = built_once(Path(shared), output / "sandbox")
        yield cloud
        cloud.write_function_logs(output / "cloudwatch.txt")


def built_once(folder: Path, log: Path) -> Path:
    """Returns the artifact in a folder. The run that comes first builds it, and the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            build(folder / "build", log)
            (folder / "done").touch()
    return folder / "build" / "WaiterFunction"


class Deployments(dict[int, Deployed]):
    """The waiter, deployed by the SAM CLI when it is first asked for: as it is, and with everything on."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__()
        self._cloud = cloud

    def __missing__(self, timeout: int) -> Deployed:
        stack, parameters = {
            LONG_TIMEOUT: (STACK, {"LogLevel": "DEBUG", "FunctionName": "function"}),
            TIMEOUT: (f"{STACK}-watched", EVERYTHING),
        }[timeout]
        self._cloud.deploy_waiter(stack=stack, parameters=[f"{name}={value}" for name, value in parameters.items()])
        self[timeout] = Deployed(self._cloud, stack, timeout)
        return self[timeout]


@pytest.fixture(scope="session")
def deployed(cloud: Cloud) -> Deployments:
    """The deployments of the waiter, by their functions' timeouts."""
    return Deployments(cloud)
