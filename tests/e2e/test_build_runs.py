"""The deployed waiter follows the build that is to push the image, and starts it once.

The scenarios run side by side; each test collects one of them. Two are what `make demo` shows. How builds end
otherwise, and pipelines, is in tests/integration/test_followed_builds.py, on a fake clock. There the same event also
comes again six minutes later; here CodeBuild forgets its tokens, as it has by then.
"""

import io
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

import pytest
from rich.console import Console

from sandbox.builds import Build
from sandbox.cloud import ACCOUNT, STACK, Cloud
from sandbox.demo import play
from sandbox.processes import PATIENCE, awaits_input
from sandbox.proxy import Rule, answer, delay, late
from sandbox.scenarios import SCENARIOS as DEMOS
from tests.support.case_selection import some_slow
from tests.support.demo_output import AT_THE_END, Told, require_every_line, told_of
from tests.support.functions import EVERYTHING, LONG_TIMEOUT, TIMEOUT, Deployed, FunctionError, failed, seconds, uri
from tests.support.patience import eventually
from tests.support.side_by_side import side_by_side

SIDE_BY_SIDE = 4
LIST, START = "codebuild:ListBuildsForProject", "codebuild:StartBuild"
Scenario = Callable[[Cloud, Deployed], None]
SCENARIOS: list[Scenario] = []
"""Those that take longest first."""
ALONE: list[Scenario] = []
"""Those of them that use the other deployment, one at a time: every process of it is theirs."""


def scenario(run: Scenario) -> Scenario:
    SCENARIOS.append(run)
    return run


def scenario_alone(run: Scenario) -> Scenario:
    ALONE.append(run)
    return scenario(run)


def project_for(cloud: Cloud, repository: str, *builds: Build) -> str:
    """Create a project whose builds go so, and return its name."""
    name = repository.replace("/", "-")
    cloud.builds.play(name, *builds)
    cloud.client("codebuild").create_project(
        name=name,
        source={"type": "NO_SOURCE"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole=f"arn:aws:iam::{ACCOUNT}:role/build",
    )
    return name


def image(repository: str, tag: str = "v1", *, wait: int = 60, **properties: Any) -> dict[str, Any]:
    """Return the properties of a wait for an image, of so many seconds."""
    return {"RepositoryName": repository, "ImageTag": tag, **seconds(wait), **properties}


def demonstrate(cloud: Cloud, demo: str, group: str, token: str) -> Told:
    """Play a demo as `make demo` does, and return what became of its stack, of which it has shown everything."""
    scenario = DEMOS[demo]
    scenario = replace(scenario, template=scenario.template.replace("/ecr-image-waiter/service-token", token))
    screen = io.StringIO()
    namespace = f"{demo}-"
    status = play(
        cloud, group, Console(file=screen), scenario, stack=f"demo-{demo}", namespace=namespace, hold_back=AT_THE_END
    )
    told = told_of(cloud, f"demo-{demo}", group)
    assert status == scenario.ends_as, told
    require_every_line(screen.getvalue(), told)
    return told


@scenario_alone
def a_build_that_fails_at_8_s_of_half_an_hour_ends_the_stack_within_two_checks_with_its_message(
    cloud: Cloud, function: Deployed
) -> None:
    told = demonstrate(cloud, "build-fails", cloud.output(STACK, "LogGroupName"), "/ecr-image-waiter/service-token")
    (build,) = cloud.builds.runs("build-fails-app")
    assert build.ended
    assert build.ended - build.began >= 8

    assert (
        f'build {build.id} of the CodeBuild project "build-fails-app" failed in BUILD: '
        "Error while executing command: docker build -t app . Reason: exit status 1; fix the build (https://"
    ) in told.reason
    looks = [each for each in told.entries if each.get("event") == "checked"]
    failed_in = [f"build {build.id} " in each["message"] and "failed" in each["message"] for each in looks]
    assert failed_in == [*[False] * (len(looks) - 1), True], "the check that sees it failed is the last"
    assert ("demo-build-fails", "ROLLBACK_COMPLETE: Rollback complete") in told.events


@scenario_alone
def a_waiter_killed_before_it_noted_the_build_it_started_follows_that_one_when_the_event_comes_again(
    cloud: Cloud, function: Deployed
) -> None:
    repository = function.repository()
    project = project_for(cloud, repository, Build({"BUILD": 15}, ends="FAILED"))
    proxy = cloud.builds_proxy
    held = Rule(START, late(30), where=lambda call: project in call.body)
    with proxy.rule(held), function.player() as player:
        create = player.create(image(repository, wait=1800, BuildProject=project, StartBuild=True))
        eventually(lambda: cloud.builds.runs(project), "the build")
        (killed,) = [pid for pid in cloud.workers(function.name) if not awaits_input(pid)]
        os.kill(killed, signal.SIGKILL)
        cloud.builds.forget_tokens()
        eventually(lambda: proxy.count(LIST, containing=project) >= 3, "the second attempt")
        function.invoke(create.event)
        outcome = failed(create)
        eventually(lambda: len(create.attempts) == 2, "the answer to the event that came again")
    (own,) = cloud.builds.runs(project)
    assert held.met == 1
    assert f'build {own.id} of the CodeBuild project "{project}" failed in BUILD' in outcome.reason
    assert own.id in create.attempts[1].verdict.answer["Reason"]


@scenario
def an_empty_account_comes_up_in_one_deployment_with_repository_build_image_and_function(
    cloud: Cloud, function: Deployed
) -> None:
    told = demonstrate(cloud, "first-deploy", EVERYTHING["LogGroupName"], EVERYTHING["ServiceTokenParameterName"])
    stack = {"StackName": "demo-first-deploy"}
    (build,) = cloud.builds.runs("first-deploy-app")
    (pushed,) = cloud.client("ecr").describe_images(repositoryName="first-deploy-app")["imageDetails"]
    assert cloud.output("demo-first-deploy", "ImageUri") == uri("first-deploy-app", pushed["imageDigest"])
    resource = cloud.client("cloudformation").describe_stack_resource(**stack, LogicalResourceId="App")
    name = resource["StackResourceDetail"]["PhysicalResourceId"]
    deployed = cloud.client("lambda").get_function(FunctionName=name)["Code"]["ImageUri"]
    assert deployed == uri("first-deploy-app", pushed["imageDigest"])

    complete = [resource for resource, text in told.events if text == "CREATE_COMPLETE"]
    assert complete.index("AppImage") < complete.index("App")
    assert {*complete} == {"Repository", "Build", "BuildRole", "AppImage", "AppRole", "App", "demo-first-deploy"}
    checks = told.messages("Checked")
    assert [f"started build {build.id}" in message for message in checks] == [True, *[False] * (len(checks) - 1)]
    assert all(build.id in message for message in checks[:-1])
    assert told.messages("Handed over"), "the build is followed in another invocation"


@scenario
def an_event_that_comes_twice_at_once_starts_one_build_and_both_find_its_image(
    cloud: Cloud, function: Deployed
) -> None:
    repository = function.repository()
    project = project_for(cloud, repository, Build({"BUILD": 6}, does=lambda: function.push(repository)))

    def of_ours(call: Any) -> bool:
        return project in call.body

    starts = Rule(START, delay(0), where=of_ours)
    # Neither of the two sees the other's build before it has asked for its own.
    lagging = Rule(LIST, answer(lambda _: '{"ids": []}'), where=lambda call: of_ours(call) and starts.met < 2)
    proxy = cloud.builds_proxy
    with proxy.rule(starts), proxy.rule(lagging), function.player() as player:
        create = player.create(image(repository, BuildProject=project, StartBuild=True))
        function.invoke(create.event)
        outcome = create.wait()
        eventually(lambda: len(create.attempts) == 2, "the other's answer")
    assert outcome.status == "SUCCESS", outcome
    assert len(cloud.builds.runs(project)) == 1
    assert starts.met == 2
    first, second = (attempt.verdict.answer for attempt in create.accepted)
    assert (first["PhysicalResourceId"], first["Data"]["ImageUri"]) == (
        second["PhysicalResourceId"],
        second["Data"]["ImageUri"],
    )


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, cloud: Cloud, deployed: dict[int, Deployed]) -> dict[str, Future[None]]:
    """Every scenario, under way."""
    lock = Lock()

    def run_alone(run: Scenario, function: Deployed) -> None:
        with lock:
            run(cloud, function)

    jobs = {
        run.__name__: partial(run_alone, run, deployed[LONG_TIMEOUT])
        if run in ALONE
        else partial(run, cloud, deployed[TIMEOUT])
        for run in SCENARIOS
    }
    # A cold start on a busy machine takes most of the eight seconds that a build has.
    with suppress(FunctionError):
        deployed[LONG_TIMEOUT].ask({"RepositoryName": "any"})
    return side_by_side(request, jobs, SIDE_BY_SIDE)


KILLED = "a_waiter_killed_before_it_noted_the_build_it_started_follows_that_one_when_the_event_comes_again"


@pytest.mark.parametrize("name", some_slow([run.__name__ for run in SCENARIOS], KILLED.__eq__))
def test_the_deployed_waiter(running: dict[str, Future[None]], name: str) -> None:
    """Each scenario's name is its claim."""
    running[name].result(timeout=2 * PATIENCE)
