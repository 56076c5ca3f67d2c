"""The example registry-stack deployed, from nothing, as the CDK does it: stack by stack, in the order of its app.

Once as it is, by the pipeline that the waiter starts; and in another account with its waiters renamed so that they come
last, and the images pushed by hand.
"""

import json
import re
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.builds import Action, Execution, Place
from sandbox.cloud import REGION, Cloud
from sandbox.commands import COMMIT
from sandbox.processes import PATIENCE
from tests.policy.ordering import pins, sorted_last
from tests.support.accounts import STAND_INS, Account, assert_created_in_order, with_waiter
from tests.support.few import some_slow
from tests.support.registry_stack import FOLDER, Synthesized, stacks
from tests.support.side_by_side import side_by_side
from tests.support.waiting import eventually

LASTING = ("MediaRegistry", "MediaStorage")
WAITING = ("MediaBackend", "MediaWebhook")
PIPELINE = "media-images"
REPOSITORIES = ["media-lambda-heavy", "media-lambda-light", "media-webhook"]
IMAGES = {
    "Light.ImageUri": ("media-lambda-light", "latest"),
    "Heavy.ImageUri": ("media-lambda-heavy", "latest"),
    "ImageUri": ("media-webhook", "webhook-latest"),
}
"""Repository and tag of the image that an attribute of a waiter names."""
NOT_AUTHORISED = Execution({"Source": Action(0.2, fails="The connection has not been authorised yet")})
"""The run that the pipeline's creation starts."""
FAILING = Execution({"Source": Action(0.2), "Heavy": Action(0.5, fails="docker build: exit status 1")})


def pushing(account: Account, pipeline: Synthesized) -> Execution:
    """Return a run of the pipeline in which each build does what CodeBuild would: run buildspec.yml for its image."""
    spec = yaml_parse((FOLDER / "buildspec.yml").read_text())
    script = "\n".join(command for phase in spec["phases"].values() for command in phase["commands"])
    (name,) = pipeline.ids("AWS::CodePipeline::Pipeline")
    _, stage = pipeline.template["Resources"][name]["Properties"]["Stages"]
    scripts = {}
    for action in stage["Actions"]:
        given = {each["name"]: each["value"] for each in json.loads(action["Configuration"]["EnvironmentVariables"])}
        variables = {**given, "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT}
        scripts[action["Name"]] = Action(0.5, does=partial(account.run, script, FOLDER, variables))
    return Execution({"Source": Action(0.2), **scripts})


def begin(account: Account, name: str, stack: Synthesized) -> None:
    """Begin to create a stack of the app, protected where it is."""
    account.create_stack(name, json.dumps(stack.template))
    account.client("cloudformation").update_termination_protection(
        StackName=name, EnableTerminationProtection=stack.protected
    )


def deploy(account: Account, app: Mapping[str, Synthesized], *names: str) -> None:
    """Create stacks of the app, one after the other."""
    for name in names:
        begin(account, name, app[name])
        account.wait_for(name, name, "CREATE_COMPLETE")


def fail_to_create(account: Account, name: str, stack: Synthesized) -> None:
    """Create a stack with a mistake that shows when all else has been created, and do what its page says then."""
    mistake = {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Mistake": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "1"},
            "DependsOn": [*stack.template["Resources"]],
        },
    }
    template = {**stack.template, "Resources": {**stack.template["Resources"], **mistake}}
    begin(account, name, replace(stack, template=template))
    eventually(lambda: account.status(name) == "ROLLBACK_COMPLETE", f"the creation of {name} fails")
    assert ("Mistake", "CREATE_FAILED") in account.events(name)
    if stack.protected:
        section = (FOLDER / "README.md").read_text().partition("\n## When a stack that lasts fails at first\n")[2]
        account.run(re.findall(r"^```sh\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)[0], FOLDER)
    account.client("cloudformation").delete_stack(StackName=name)  # the CDK does that before it creates it again
    eventually(lambda: account.status(name) in ("", "DELETE_COMPLETE"), f"{name} is deleted")


def runs(account: Account, pipeline: str) -> list[tuple[str, str]]:
    """Return what started each run of the pipeline and how it ended, the oldest first."""
    listed = account.client("codepipeline").list_pipeline_executions(pipelineName=pipeline)
    executions = reversed(listed["pipelineExecutionSummaries"])
    return [(each["trigger"]["triggerType"], each["status"]) for each in executions]


def what_lasts(account: Account) -> dict[str, object]:
    """Return what there is of repositories, buckets and tables, and all that happened to their stacks."""
    return {
        "repositories": sorted(each["repositoryName"] for each in repositories(account, "ecr")),
        "public": sorted(each["repositoryName"] for each in repositories(account, "ecr-public")),
        "buckets": sorted(
            each["Name"] for each in account.client("s3").list_buckets()["Buckets"] if "sam-cli" not in each["Name"]
        ),
        "tables": account.client("dynamodb").list_tables()["TableNames"],
        **{name: account.events(name) for name in LASTING},
    }


def repositories(account: Account, service: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = account.client(service).describe_repositories()["repositories"]
    return found


def assert_everything_runs(account: Account, app: Mapping[str, Synthesized]) -> None:
    """Make sure that each function was begun when its image was found, and runs that."""
    for name in WAITING:
        template = app[name].template
        assert_created_in_order(account, name, {user: waiter for user, (waiter,) in pins(template).items()})
        for user in pins(template):
            _, attribute = template["Resources"][user]["Properties"]["Code"]["ImageUri"]["Fn::GetAtt"]
            assert account.image_of(name, user) == account.uri(*IMAGES[attribute])


def from_nothing(account: Account, app: Mapping[str, Synthesized]) -> None:
    """By one command, but for two stacks and a build that fail first: the waiter starts the build, and once more."""
    cloudformation = account.client("cloudformation")
    image = pushing(account, app["MediaBackendPipeline"])
    account.cloud.builds.play_pipeline(PIPELINE, NOT_AUTHORISED, FAILING, image)
    for name in LASTING:
        fail_to_create(account, name, app[name])
    deploy(account, app, *LASTING, "MediaBackendPipeline")
    before = what_lasts(account)
    assert before["repositories"] == REPOSITORIES
    assert before["public"] == REPOSITORIES[:2]
    assert [len(before[each]) for each in ("buckets", "tables")] == [6, 1]  # type: ignore[arg-type]  # lists, both

    # CloudFormation tells the time of its request in whole seconds: a run that ended in the same one would count.
    (created,) = account.cloud.builds.pipeline_runs(PIPELINE, place=Place(account.number, REGION))
    eventually(lambda: created.ended and time.time() >= int(created.ended) + 1, "the run of the creation is past")
    begin(account, "MediaBackend", app["MediaBackend"])
    eventually(lambda: account.status("MediaBackend") == "ROLLBACK_COMPLETE", "its wait fails")
    assert "docker build: exit status 1" in account.reasons("MediaBackend")
    begun = {name for name, status in account.events("MediaBackend") if status == "CREATE_IN_PROGRESS"}
    assert begun.isdisjoint(pins(app["MediaBackend"].template))
    assert what_lasts(account) == before
    with pytest.raises(cloudformation.exceptions.ClientError, match="TerminationProtection"):
        cloudformation.delete_stack(StackName="MediaStorage")

    cloudformation.delete_stack(StackName="MediaBackend")  # the CDK does that before it creates it again
    eventually(lambda: account.status("MediaBackend") in ("", "DELETE_COMPLETE"), "what was rolled back is deleted")
    deploy(account, app, *WAITING)
    started = "StartPipelineExecution"
    expected = [("CreatePipeline", "Failed"), (started, "Failed"), (started, "Succeeded")]
    eventually(lambda: runs(account, PIPELINE) == expected, "the run that has pushed the images ends")
    assert what_lasts(account) == before
    assert_everything_runs(account, app)


def by_hand(account: Account, app: Mapping[str, Synthesized]) -> None:
    """With a seed image in each repository before there is a pipeline, which then is not started."""
    pipeline = f"{PIPELINE}-as-well"  # the runs to come are written down for pipelines of any account
    account.cloud.builds.play_pipeline(pipeline, NOT_AUTHORISED)
    section = (FOLDER / "README.md").read_text().partition("\n## The bootstrap by hand\n")[2].partition("\n## ")[0]
    ((deployment, seed),) = re.findall(r"^```sh\n(.*)\n((?s:.*?))^```$", section, flags=re.MULTILINE)
    last = {
        name: Synthesized(
            json.loads(json.dumps(sorted_last(stack.template)).replace(f'"{PIPELINE}"', f'"{pipeline}"')),
            stack.needs,
            stack.protected,
        )
        for name, stack in app.items()
    }
    first, *others = last
    assert f" deploy {first} " in deployment
    deploy(account, last, first)
    account.run(seed, FOLDER)
    deploy(account, last, *others)
    assert runs(account, pipeline) == [("CreatePipeline", "Failed")]
    assert_everything_runs(account, last)


WAYS = {"333333333333": from_nothing, "444444444444": by_hand}


@pytest.fixture(scope="module")
def deployments(
    request: pytest.FixtureRequest, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Future[None]]:
    """Both, started, in accounts in which there is nothing but the waiter and what `cdk bootstrap` leaves."""
    print(*(f"stand-in for {name}: {what}" for name, what in STAND_INS.items()), sep="\n")
    folder = tmp_path_factory.mktemp("registry-stack")
    app = stacks(folder / "cdk.out")
    first, last = with_waiter(cloud, folder, WAYS)
    for account in (first, last):
        version = {"Name": "/cdk-bootstrap/hnb659fds/version", "Value": "28", "Type": "String"}
        account.client("ssm").put_parameter(**version)
    jobs = {way.__name__: partial(way, account, app) for way, account in zip(WAYS.values(), (first, last), strict=True)}
    return side_by_side(request, jobs, at_once=2)


@pytest.mark.parametrize("name", some_slow([way.__name__ for way in WAYS.values()], lambda name: name == "by_hand"))
def test_functions_are_created_when_their_images_are_there_and_nothing_that_lasts_is_touched(
    name: str, deployments: Mapping[str, Future[None]]
) -> None:
    deployments[name].result(timeout=2 * PATIENCE)
