"""The examples deployed, from nothing, by the commands of their pages, while their own build steps push the images.

Minimal also with its waiter renamed so that it comes last in the alphabet, by which the emulator creates what depends
on nothing. That each function depends on its wait is read in all templates by integration/test_examples.py.
"""

import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.builds import Action, Execution, Place, Run
from sandbox.cloud import REGION, Cloud
from sandbox.commands import COMMIT
from sandbox.images import push
from sandbox.processes import PATIENCE, ROOT
from tests.policy.ordering import pins, waiters
from tests.support.accounts import STAND_INS, Account, assert_created_in_order, with_stand_ins, with_waiter
from tests.support.action import WAIT, outputs_in, variables
from tests.support.apps import synthesized
from tests.support.case_selection import some_slow
from tests.support.functions import LONG_TIMEOUT, Deployed
from tests.support.patience import eventually
from tests.support.side_by_side import side_by_side

EXAMPLES = ROOT / "examples"


def commands(example: str, heading: str = "Deploy") -> list[str]:
    """Return the commands under a heading of an example's page."""
    page = (EXAMPLES / example / "README.md").read_text()
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


@contextmanager
def meanwhile(run: Callable[..., object], *arguments: object) -> Iterator[None]:
    """Do something else while a deployment is under way, and wait for its end."""
    with ThreadPoolExecutor(1) as pool:
        deployment = pool.submit(run, *arguments)
        try:
            yield
        except BaseException:
            if deployment.done():
                deployment.result()  # why it is over says more than what was missed
            raise
        deployment.result()


# --- minimal ----------------------------------------------------------------------------------------------------------


def minimal(account: Account) -> None:
    deploy, build_step = commands("minimal")
    with meanwhile(account.run, deploy, EXAMPLES / "minimal"):
        account.wait_for("app", "AppImage", "CREATE_IN_PROGRESS")
        account.run(build_step, EXAMPLES / "minimal")
    assert_created_in_order(account, "app", {"App": "AppImage"})
    assert account.image_of("app", "App") == account.uri("app")


# --- two-stacks -------------------------------------------------------------------------------------------------------

FUNCTIONS = {"TextGeneration": "oer/text-generation", "PracticeMaterial": "oer/practice-material"}
CREATED = Execution({"Source": Action(0.2, fails="The connection is not available: it has not been authorised yet")})
"""The run that the pipeline's creation starts."""


def build(account: Account, action: Mapping[str, Any]) -> None:
    """Do what CodeBuild does for an action of the pipeline: run buildspec.yml, with the action's variables."""
    spec = yaml_parse((EXAMPLES / "two-stacks" / "buildspec.yml").read_text())
    given = {each["name"]: each["value"] for each in json.loads(action["configuration"]["EnvironmentVariables"])}
    script = "\n".join(command for phase in spec["phases"].values() for command in phase["commands"])
    variables = {**spec["env"]["variables"], **given, "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT}
    account.run(script, EXAMPLES / "two-stacks", variables)


def pushing(account: Account, pipeline: str) -> Execution:
    """Returns a run of the pipeline that pushes the commit's images."""
    stages = account.client("codepipeline").get_pipeline(name=pipeline)["pipeline"]["stages"]
    scripts = {action["name"]: Action(does=partial(build, account, action)) for action in stages[1]["actions"]}
    return Execution({"Source": Action(0.2), **scripts})


def push_commit(account: Account, pipeline: str) -> Run:
    """Have the pipeline run for the commit."""
    account.cloud.builds.play_pipeline(pipeline, pushing(account, pipeline))
    return account.cloud.builds.start_pipeline(pipeline, place=Place(account.number, REGION))


def two_stacks(account: Account) -> None:
    folder = EXAMPLES / "two-stacks"
    cicd, api = commands("two-stacks")
    account.cloud.builds.play_pipeline("oer-images", CREATED)
    account.run(cicd, folder)
    with meanwhile(account.run, api, folder):
        account.wait_for("oer-api", "PracticeMaterialImage", "CREATE_IN_PROGRESS")
        execution = push_commit(account, "oer-images")
    eventually(lambda: execution.status == "SUCCEEDED", "the run that has pushed the images ends")
    assert_created_in_order(account, "oer-api", {name: f"{name}Image" for name in FUNCTIONS})
    for function, repository in FUNCTIONS.items():
        assert account.image_of("oer-api", function) == account.uri(repository)


def two_stacks_by_the_cdk(account: Account) -> None:
    """The CDK app; nothing starts the pipeline but the commands under When the image never comes."""
    folder, pipeline = EXAMPLES / "two-stacks", "oer-images-of-the-cdk"
    context = json.loads((folder / "cdk" / "cdk.json").read_text())["context"]
    app = synthesized(folder / "cdk", account.folder / "cdk.out", {**context, "commit": COMMIT})
    cicd, api = (
        with_stand_ins(json.loads(json.dumps(app[name]).replace("oer-images", pipeline)))
        for name in ("OER-CICD", "OER-Api")
    )
    account.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    account.cloud.builds.play_pipeline(pipeline, CREATED)
    account.create_stack("OER-CICD", json.dumps(cicd))
    account.wait_for("OER-CICD", "OER-CICD", "CREATE_COMPLETE")
    # CloudFormation tells the time of its request in whole seconds: a run that ended in the same one would count.
    (created,) = account.cloud.builds.pipeline_runs(pipeline, place=Place(account.number, REGION))
    eventually(lambda: created.ended and time.time() >= int(created.ended) + 1, "the run of the creation is past")

    account.create_stack("OER-Api", json.dumps(api))
    account.wait_for("OER-Api", min(waiters(api)), "CREATE_IN_PROGRESS")
    account.cloud.builds.play_pipeline(pipeline, pushing(account, pipeline))
    (start,) = commands("two-stacks", "When the image never comes")
    printed = account.run(start.replace("oer-images", pipeline), folder)
    assert "Source\tThe connection is not available: it has not been authorised yet" in printed
    account.wait_for("OER-Api", "OER-Api", "CREATE_COMPLETE")
    assert_created_in_order(account, "OER-Api", {user: waiter for user, (waiter,) in pins(api).items()})
    found = {user[:14]: account.image_of("OER-Api", user) for user in pins(api)}
    assert found == {name[:14]: account.uri(repository) for name, repository in FUNCTIONS.items()}


# --- nested-app -------------------------------------------------------------------------------------------------------


def nested_app(account: Account) -> None:
    folder = account.folder / "clone" / "examples" / "nested-app"
    shutil.copytree(EXAMPLES / "nested-app", folder)
    for built in account.cloud.artifact.parent.iterdir():
        (account.folder / "clone" / built.name).symlink_to(built)
    _, deploy, build_step = commands("nested-app")
    with meanwhile(account.run, deploy, folder):
        account.wait_for("nested-app", "AppImage", "CREATE_IN_PROGRESS")
        account.run(build_step, folder)
    assert_created_in_order(account, "nested-app", {"App": "AppImage"})
    assert account.image_of("nested-app", "App") == account.uri("nested-app")


# --- fargate ----------------------------------------------------------------------------------------------------------

NEXT_COMMIT = COMMIT[::-1]


def workflow_step(job: str, begins: str) -> str:
    """Return a command of the workflow."""
    workflow = yaml_parse((EXAMPLES / "fargate" / ".github" / "workflows" / "deploy.yml").read_text())
    (found,) = (each["run"] for each in workflow["jobs"][job]["steps"] if each.get("run", "").startswith(begins))
    return str(found)


def gate(account: Account) -> tuple[str, dict[str, str]]:
    """Return the step of the Action that the workflow waits by, and its variables. Its log is gate.log."""
    workflow = yaml_parse((EXAMPLES / "fargate" / ".github" / "workflows" / "deploy.yml").read_text())
    (given,) = (each["with"] for each in workflow["jobs"]["deploy-ecs"]["steps"] if each.get("id") == "gate")
    inputs = {name: text.replace("${{ github.sha }}", NEXT_COMMIT) for name, text in given.items()}
    # The Action makes an environment of its own; tests/integration/test_action.py does.
    python = account.folder / "ecr-image-waiter" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    files = {name: str(account.folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    script = f"exec 2> {account.folder / 'gate.log'}\n{WAIT['run']}"
    return script, {**variables(WAIT, inputs), **files, "RUNNER_TEMP": str(account.folder)}


def fargate(account: Account) -> None:
    """The first commit in one phase, by the page; the next one in two, by the workflow."""
    templates = synthesized(EXAMPLES / "fargate", account.folder / "cdk.out", {"commit": COMMIT})
    folder, service = account.folder / "fargate", with_stand_ins(templates["FargateStack"])
    shutil.copytree(EXAMPLES / "fargate", folder)
    _, build_step, _ = commands("fargate")
    ((task, (waiter,)),) = pins(service).items()
    (running,) = (name for name, each in service["Resources"].items() if each["Type"] == "AWS::ECS::Service")
    account.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    account.create_stack("AppStack", json.dumps(templates["AppStack"]))
    account.wait_for("AppStack", "AppStack", "CREATE_COMPLETE")

    account.create_stack("FargateStack", json.dumps(service))
    account.wait_for("FargateStack", waiter, "CREATE_IN_PROGRESS")
    account.run(build_step, folder)
    account.wait_for("FargateStack", "FargateStack", "CREATE_COMPLETE")
    assert_created_in_order(account, "FargateStack", {task: waiter, running: waiter})
    assert account.container_image_of("FargateStack", running) == account.uri("app-mp", COMMIT)
    assert account.uri("app-mp") == account.uri("app-mp", COMMIT)

    server = folder / "web" / "server.py"
    server.write_text(server.read_text().replace("Hello", "Hello again"))
    log, commit = account.folder / "gate.log", {"GITHUB_SHA": NEXT_COMMIT}
    script, inputs = gate(account)
    with meanwhile(account.run, script, folder, inputs):
        eventually(lambda: log.exists() and "no such image" in log.read_text(), "the gate has looked once")
        account.run(workflow_step("build-and-push", "./push.sh"), folder, commit)
    assert "is there already" in account.run(workflow_step("build-and-push", "./push.sh"), folder, commit)
    account.client("cloudformation").update_stack(
        StackName="FargateStack",
        TemplateBody=json.dumps(service).replace(COMMIT, NEXT_COMMIT),
        Capabilities=["CAPABILITY_IAM"],
    )
    account.wait_for("FargateStack", "FargateStack", "UPDATE_COMPLETE")
    assert account.container_image_of("FargateStack", running) == account.uri("app-mp", NEXT_COMMIT)
    assert outputs_in((account.folder / "GITHUB_OUTPUT").read_text())["uri"] == account.uri("app-mp", NEXT_COMMIT)
    assert account.uri("app-mp") == account.uri("app-mp", NEXT_COMMIT) != account.uri("app-mp", COMMIT)
    with pytest.raises(Exception, match="ImageTagAlreadyExistsException"):
        push(account.client("ecr"), "app-mp", NEXT_COMMIT, content="another")

    (stop,) = commands("fargate", "Stop CannotPullContainerError retries")
    assert json.loads(account.run(stop, folder))["service"]["desiredCount"] == 0


# --- All of them, side by side ----------------------------------------------------------------------------------------

WAYS: Mapping[str, Callable[[Account], None]] = {
    "two-stacks": two_stacks,
    "two-stacks by the CDK": two_stacks_by_the_cdk,
    "nested-app": nested_app,
    "minimal": minimal,
    "fargate": fargate,
}


@pytest.fixture(scope="module")
def deployments(
    request: pytest.FixtureRequest,
    cloud: Cloud,
    deployed: dict[int, Deployed],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Future[None]]:
    """All deployments, started, each in an account in which there is nothing but the waiter."""
    print(*(f"stand-in for {name}: {what}" for name, what in STAND_INS.items()), sep="\n")
    assert deployed[LONG_TIMEOUT], "what is sent to the accounts"
    asked = {
        item.callspec.params["name"]
        for item in request.session.items
        if item.path == request.path and isinstance(item, pytest.Function) and hasattr(item, "callspec")
    }
    ways = {name: way for name, way in WAYS.items() if name in asked}
    numbers = [str(number) * 6 for number in range(21, 21 + len(ways))]  # accounts of no other test
    accounts = with_waiter(cloud, tmp_path_factory.mktemp("accounts"), numbers)
    jobs = {name: partial(way, account) for (name, way), account in zip(ways.items(), accounts, strict=True)}
    return side_by_side(request, jobs, at_once=4)


@pytest.mark.parametrize("name", some_slow(WAYS, lambda name: name != "minimal"))
def test_functions_are_created_when_their_build_has_pushed_what_they_run(
    name: str, deployments: Mapping[str, Future[None]]
) -> None:
    deployments[name].result(timeout=2 * PATIENCE)
