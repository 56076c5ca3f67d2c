"""What the demo can show: stacks whose image comes, or does not, or is built on their behalf."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from .builds import Build
from .cloud import ACCOUNT, REGION
from .images import push

_HERE: Final = Path(__file__).parent
_TYPING_ERROR: Final = "lastest"  # the commonest cause, so that the Reason has something to name
_PUSHED_AFTER: Final = {"parser": 19.0, "generator": 12.0}
"""Seconds, by repository. The emulator creates one resource at a time, so that the second image's wait comes after."""
_SHORT: Final = 10
"""Seconds. Enough for a cold start on a busy machine, and little enough for a continuation or two."""
_FAILING_BUILD: Final = Build(
    {"QUEUED": 0.5, "PROVISIONING": 1.5, "DOWNLOAD_SOURCE": 1.0, "PRE_BUILD": 1.0, "BUILD": 4.0},
    ends="FAILED",
    message="Error while executing command: docker build -t app . Reason: exit status 1",
)
_GOOD_PHASES: Final = {"QUEUED": 1.0, "PROVISIONING": 3.0, "DOWNLOAD_SOURCE": 1.0, "PRE_BUILD": 1.0, "BUILD": 9.0}


@dataclass(frozen=True)
class Prepared:
    """What a stack is deployed with. `later`: what is done so many seconds after that has begun."""

    parameters: Mapping[str, str]
    later: Sequence[tuple[float, Callable[[], object]]] = ()


@dataclass(frozen=True)
class Scenario:
    """One stack and what happens around it.

    Args:
        said: before it is deployed.
        template: its template.
        prepare: makes the images from before the stack. Its arguments are the cloud and what goes before all names.
        ends_as: the stack's last status, if all goes as it should.
        timeout: of the waiter function, in seconds, if it is another than the deployed one.
        install: parameters of the waiter's own stack.
    """

    said: str
    template: str
    prepare: Callable[[Any, str], Prepared]
    ends_as: str
    timeout: int | None = None
    install: Sequence[str] = ()


def _two_images(cloud: Any, namespace: str, *, tag: str, retries: int, after: Mapping[str, float]) -> Prepared:
    """Two repositories, into which images are pushed so many seconds later."""
    ecr = cloud.client("ecr")
    for name in after:
        ecr.create_repository(repositoryName=namespace + name)
    names = {namespace + name: seconds for name, seconds in after.items()}
    pushes = [(seconds, partial(push, ecr, name, tag, content=name)) for name, seconds in names.items()]
    return Prepared({"Repositories": ",".join(names), "MaxRetries": str(retries), "RetryDelaySeconds": "2"}, pushes)


def _build_fails(cloud: Any, namespace: str) -> Prepared:
    """A repository, and a project that builds what somebody has just committed."""
    name = f"{namespace}app"
    cloud.client("ecr").create_repository(repositoryName=name)
    cloud.client("codebuild").create_project(
        name=name,
        source={"type": "GITHUB", "location": "https://github.com/example/app.git"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "ARM_CONTAINER", "image": "aws/codebuild/x", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=f"arn:aws:iam::{ACCOUNT}:role/build",
    )
    cloud.builds.play(name, _FAILING_BUILD)
    return Prepared({"Name": name}, [(0.0, partial(cloud.builds.start, name))])


def _first_deploy(cloud: Any, namespace: str) -> Prepared:
    """Nothing. The project that the stack is going to have pushes its image at the end of BUILD."""
    name = f"{namespace}app"
    ecr = cloud.client("ecr")
    cloud.builds.play(name, Build(_GOOD_PHASES, does=partial(push, ecr, name, "latest", content=name)))
    return Prepared({"Name": name, "MaxRetries": "50", "RetryDelaySeconds": "2"})


def _template(name: str) -> str:
    return _HERE.joinpath(f"{name}.yaml").read_text()


_TIMEOUT_IS_SHORT: Final = f"The function's timeout is {_SHORT} s here, so that the wait crosses several invocations."
_INSTALL: Final = (f"BuildProjectArns=arn:aws:codebuild:{REGION}:{ACCOUNT}:project/*", "AllowStartBuild=true")

_TWO_IMAGES: Final = f"Deploying a stack that waits for two missing images. {_TIMEOUT_IS_SHORT}"

IMAGES: Final[Mapping[str, Scenario]] = {
    "pushed": Scenario(
        _TWO_IMAGES,
        _template("consumer"),
        partial(_two_images, tag="latest", retries=50, after=_PUSHED_AFTER),
        ends_as="CREATE_COMPLETE",
        timeout=_SHORT,
    ),
    "never": Scenario(
        _TWO_IMAGES,
        _template("consumer"),
        partial(_two_images, tag=_TYPING_ERROR, retries=9, after=dict.fromkeys(_PUSHED_AFTER, 0.0)),
        ends_as="ROLLBACK_COMPLETE",
        timeout=_SHORT,
    ),
}
"""The default one, and what becomes of it when its images never come."""

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "build-fails": Scenario(
        "Deploying a stack whose image a CodeBuild project is building. It may wait for half an hour, but the "
        "build fails after 8 s. Log lines come when an invocation ends, here with the wait.",
        _template("build-fails"),
        _build_fails,
        ends_as="ROLLBACK_COMPLETE",
        install=_INSTALL,
    ),
    "first-deploy": Scenario(
        "Deploying one template into an empty account: a repository, a CodeBuild project, a wait that starts its "
        f"build, and a function. {_TIMEOUT_IS_SHORT}",
        _template("first-deploy"),
        _first_deploy,
        ends_as="CREATE_COMPLETE",
        timeout=_SHORT,
        install=_INSTALL,
    ),
}
"""Scenarios with a simulated build, which takes no longer than it must."""
