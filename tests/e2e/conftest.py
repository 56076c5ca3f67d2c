"""One sandbox for all end-to-end tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cloud import STACK, Cloud
from tests.support.functions import LONG_TIMEOUT, TIMEOUT, Deployed
from tests.support.terraform import BY_INVOCATION, BY_STACK, FROM_BEFORE, SCRIPT_FIRST, Stories


@pytest.fixture(scope="session")
def cloud(output: Path) -> Iterator[Cloud]:
    """An emulated account with nothing in it. What its functions logged is kept."""
    with Cloud(log=output / "sandbox") as cloud:
        yield cloud
        cloud.write_function_logs(output / "cloudwatch.txt")


@pytest.fixture(scope="session")
def deployed(cloud: Cloud) -> dict[int, Deployed]:
    """The waiter, built and deployed there by the SAM CLI, and a second waiter beside it; by their timeouts."""
    cloud.deploy_waiter(parameters=["LogLevel=DEBUG"])
    cloud.deploy_waiter(
        stack=f"{STACK}-patient", parameters=["LogLevel=DEBUG", "ServiceTokenParameterName=''", "FunctionName=patient"]
    )
    return {
        TIMEOUT: Deployed(cloud, STACK, TIMEOUT),
        LONG_TIMEOUT: Deployed(cloud, f"{STACK}-patient", LONG_TIMEOUT),
    }


@pytest.fixture(scope="session")
def stories(
    request: pytest.FixtureRequest, cloud: Cloud, output: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stories]:
    """The deployments by Terraform that the selected tests are about, under way."""
    asking = [item for item in request.session.items if "stories" in getattr(item, "fixturenames", ())]
    slow = any(item.get_closest_marker("slow") for item in asking)
    ways = [BY_STACK, *((BY_INVOCATION, SCRIPT_FIRST, FROM_BEFORE) if slow else ())]
    stories = Stories(ways, cloud, tmp_path_factory.mktemp("terraform"), output / "terraform.txt")
    yield stories
    stories.stop()


@pytest.fixture(scope="session", autouse=True)
def stories_begin_first(request: pytest.FixtureRequest) -> None:
    """Starts the deployments by Terraform before all tests, since they mostly wait."""
    if any("stories" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("stories")
