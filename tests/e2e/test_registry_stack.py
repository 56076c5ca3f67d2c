"""The example registry-stack deployed, from nothing, as the CDK does it: stack by stack, in the order of its app.

Once by the pipeline that the waiter starts and that then takes over; in another account with the images pushed by hand;
and in a third one with a repository of another stack.
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
from sandbox.images import push
from sandbox.processes import PATIENCE
from tests.policy.ordering import pins
from tests.support.accounts import STAND_INS, Account, assert_created_in_order, with_stand_ins, with_waiter
from tests.support.functions import LONG_TIMEOUT, Deployed
from tests.support.patience import eventually
from tests.support.registry_stack import FOLDER, Synthesized, stacks
from tests.support.side_by_side import side_by_side

LASTING = ("AiSocialMediaRegistry", "AiSocialMediaStorage")
WAITING = ("AiSocialMediaBackend", "AiSocialMediaWebhook")
FRONTEND = ("AiSocialMediaFrontend", "AiSocialMediaFrontendPipeline")
PIPELINE = "ai-social-media-backend"
REPOSITORIES = ["ai-social-media-lambda-heavy", "ai-social-media-lambda-light", "ai-social-media-webhook"]
IMAGES = {
    "Api.ImageUri": ("ai-social-media-lambda-light", "api-latest"),
    "Triage.ImageUri": ("ai-social-media-lambda-light", "triage-latest"),
    "Publish.ImageUri": ("ai-social-media-lambda-light", "publish-latest"),
    "Thumbnails.ImageUri": ("ai-social-media-lambda-heavy", "thumbnails-latest"),
    "Video.ImageUri": ("ai-social-media-lambda-heavy", "video-latest"),
    "ImageUri": ("ai-social-media-webhook", "webhook-latest"),
}
"""Repository and tag of the image that an attribute of a waiter names."""
NEXT_COMMIT = COMMIT[::-1]
NOT_AUTHORISED = Execution({"Source": Action(0.2, fails="The connection has not been authorised yet")})
"""The run that the pipeline's creation starts."""
FAILING = Execution({"Source": Action(0.2), "Api": Action(0.5, fails="docker build: exit status 1")})


def pushing(account: Account, pipeline: Synthesized, commit: str = COMMIT) -> Execution:
    """Return a run of the pipeline in which each action does what CodeBuild would: run its build specification."""
    (name,) = pipeline.ids("AWS::CodePipeline::Pipeline")
    _, *stages = pipeline.template["Resources"][name]["Properties"]["Stages"]
    scripts = {}
    for stage, spec in zip(stages, ("buildspec.yml", "deployspec.yml"), strict=True):
        phases = yaml_parse((FOLDER / spec).read_text())["phases"]
        script = "\n".join(command for phase in phases.values() for command in phase["commands"])
        for action in stage["Actions"]:
            given = json.loads(action["Configuration"]["EnvironmentVariables"])
            variables = {each["name"]: each["value"] for each in given} | {"CODEBUILD_RESOLVED_SOURCE_VERSION": commit}
            scripts[action["Name"]] = Action(0.2, does=partial(account.run, script, FOLDER, variables))
    return Execution({"Source": Action(0.2), **scripts})


def begin(account: Account, name: str, stack: Synthesized) -> None:
    """Begin to create a stack of the app, protected where it is."""
    account.create_stack(name, json.dumps(with_stand_ins(stack.template)))
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
        section = (FOLDER / "by-hand.md").read_text().partition("\n## When a stack that lasts fails at first\n")[2]
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
    image = pushing(account, app["AiSocialMediaBackendPipeline"])
    account.cloud.builds.play_pipeline(PIPELINE, NOT_AUTHORISED, FAILING, image)
    for name in LASTING:
        fail_to_create(account, name, app[name])
    deploy(account, app, *LASTING, "AiSocialMediaBackendPipeline", *FRONTEND)
    before = what_lasts(account)
    assert before["repositories"] == REPOSITORIES
    assert before["public"] == REPOSITORIES[:2]
    assert [len(before[each]) for each in ("buckets", "tables")] == [6, 1]  # type: ignore[arg-type]  # lists, both

    last_run_is_past(account)
    begin(account, "AiSocialMediaBackend", app["AiSocialMediaBackend"])
    eventually(lambda: account.status("AiSocialMediaBackend") == "ROLLBACK_COMPLETE", "its wait fails")
    assert "docker build: exit status 1" in account.reasons("AiSocialMediaBackend")
    begun = {name for name, status in account.events("AiSocialMediaBackend") if status == "CREATE_IN_PROGRESS"}
    assert begun.isdisjoint(pins(app["AiSocialMediaBackend"].template))
    assert what_lasts(account) == before
    with pytest.raises(cloudformation.exceptions.ClientError, match="TerminationProtection"):
        cloudformation.delete_stack(StackName="AiSocialMediaStorage")

    last_run_is_past(account)
    cloudformation.delete_stack(StackName="AiSocialMediaBackend")  # the CDK does that before it creates it again
    eventually(
        lambda: account.status("AiSocialMediaBackend") in ("", "DELETE_COMPLETE"), "what was rolled back is deleted"
    )
    deploy(account, app, *WAITING, "AiSocialMediaOperations")
    started = "StartPipelineExecution"
    expected = [("CreatePipeline", "Failed"), (started, "Failed"), (started, "Succeeded")]
    eventually(lambda: runs(account, PIPELINE) == expected, "the run that has pushed the images ends")
    assert what_lasts(account) == before
    assert_everything_runs(account, app)
    taken_over(account, app)


def last_run_is_past(account: Account) -> None:
    """Return when another wait does not count the pipeline's last run."""
    # CloudFormation tells the time of its request in whole seconds: a run that ended in the same one would count.
    *_, last = account.cloud.builds.pipeline_runs(PIPELINE, place=Place(account.number, REGION))
    eventually(lambda: last.ended and time.time() >= int(last.ended) + 1, "the last run is past")


def taken_over(account: Account, app: Mapping[str, Synthesized]) -> None:
    """By the pipeline, for the next commit; the deployment of that commit then finds and changes nothing."""
    before = code(account, app)
    account.cloud.builds.play_pipeline(PIPELINE, pushing(account, app["AiSocialMediaBackendPipeline"], NEXT_COMMIT))
    run = account.cloud.builds.start_pipeline(PIPELINE, place=Place(account.number, REGION))
    eventually(lambda: run.ended, "the run of the next commit ends")
    assert run.status == "SUCCEEDED"
    after = code(account, app)
    assert after.keys() == before.keys()
    assert all(after[function] != before[function] for function in before)
    assert set(after.values()) == {account.uri(*image) for image in IMAGES.values()}

    for name in WAITING:
        account.client("cloudformation").update_stack(
            StackName=name,
            TemplateBody=json.dumps(app[name].template).replace(COMMIT, NEXT_COMMIT),
            Capabilities=["CAPABILITY_IAM"],
        )
        account.wait_for(name, name, "UPDATE_COMPLETE")
    assert code(account, app) == after
    assert len(runs(account, PIPELINE)) == 4, "no deployment has started another run"


def code(account: Account, app: Mapping[str, Synthesized]) -> dict[str, str]:
    """Return the image that each function runs."""
    return {user: account.image_of(name, user) for name in WAITING for user in pins(app[name].template)}


def moved(account: Account, app: Mapping[str, Synthesized]) -> None:
    """From a stack that deletes its repositories to the registry, with what is in them: retain, remove, import."""
    cloudformation, ecr = account.client("cloudformation"), account.client("ecr")
    registry = app["AiSocialMediaRegistry"].template
    (light,) = (name for name in registry["Resources"] if name.startswith("Light"))
    name = registry["Resources"][light]["Properties"]["RepositoryName"]
    repository = {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": name, "EmptyOnDelete": True}}
    others = {"Other": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
    account.create_stack("Old", json.dumps({"Resources": {**others, "Repository": repository}}))
    account.wait_for("Old", "Old", "CREATE_COMPLETE")
    push(ecr, name, "api-latest")
    images = ecr.list_images(repositoryName=name)["imageIds"]

    for resources in ({**others, "Repository": {**repository, "DeletionPolicy": "Retain"}}, others):
        cloudformation.update_stack(StackName="Old", TemplateBody=json.dumps({"Resources": resources}))
        eventually(lambda: account.status("Old") == "UPDATE_COMPLETE", "the old stack is updated")
    assert [each["LogicalResourceId"] for each in resources_of(account, "Old")] == ["Other"]
    assert ecr.list_images(repositoryName=name)["imageIds"] == images

    what = {"StackName": "AiSocialMediaRegistry", "ChangeSetName": "import"}
    cloudformation.create_change_set(
        **what,
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps({"Resources": {light: registry["Resources"][light]}}),
        ResourcesToImport=[
            {
                "ResourceType": "AWS::ECR::Repository",
                "LogicalResourceId": light,
                "ResourceIdentifier": {"RepositoryName": name},
            }
        ],
    )
    eventually(
        lambda: cloudformation.describe_change_set(**what)["Status"] == "CREATE_COMPLETE", "the change set is there"
    )
    cloudformation.execute_change_set(**what)
    account.wait_for("AiSocialMediaRegistry", "AiSocialMediaRegistry", "IMPORT_COMPLETE")
    cloudformation.update_stack(StackName="AiSocialMediaRegistry", TemplateBody=json.dumps(registry))
    account.wait_for("AiSocialMediaRegistry", "AiSocialMediaRegistry", "UPDATE_COMPLETE")
    assert {each["LogicalResourceId"] for each in resources_of(account, "AiSocialMediaRegistry")} == set(
        registry["Resources"]
    )
    assert ecr.list_images(repositoryName=name)["imageIds"] == images


def resources_of(account: Account, stack: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = account.client("cloudformation").list_stack_resources(StackName=stack)[
        "StackResourceSummaries"
    ]
    return found


def by_hand(account: Account, app: Mapping[str, Synthesized]) -> None:
    """With a seed image in each repository before there is a pipeline, which then is not started."""
    pipeline = f"{PIPELINE}-as-well"  # the runs to come are written down for pipelines of any account
    account.cloud.builds.play_pipeline(pipeline, NOT_AUTHORISED)
    section = (FOLDER / "by-hand.md").read_text().partition("\n## The bootstrap by hand\n")[2].partition("\n## ")[0]
    ((deployment, seed),) = re.findall(r"^```sh\n(.*)\n((?s:.*?))^```$", section, flags=re.MULTILINE)
    needed = (*LASTING, "AiSocialMediaBackendPipeline", *WAITING)
    stacks_by_hand = {
        name: replace(stack, template=json.loads(json.dumps(stack.template).replace(f'"{PIPELINE}"', f'"{pipeline}"')))
        for name, stack in app.items()
        if name in needed
    }
    first, *others = stacks_by_hand
    assert f" deploy {first} " in deployment
    deploy(account, stacks_by_hand, first)
    account.run(seed, FOLDER)
    deploy(account, stacks_by_hand, *others)
    assert runs(account, pipeline) == [("CreatePipeline", "Failed")]
    assert_everything_runs(account, stacks_by_hand)


WAYS = {"333333333333": from_nothing, "444444444444": by_hand, "666666666666": moved}


@pytest.fixture(scope="module")
def deployments(
    request: pytest.FixtureRequest,
    cloud: Cloud,
    deployed: dict[int, Deployed],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Future[None]]:
    """All of them, started, in accounts in which there is nothing but the waiter and what `cdk bootstrap` leaves."""
    print(*(f"stand-in for {name}: {what}" for name, what in STAND_INS.items()), sep="\n")
    folder = tmp_path_factory.mktemp("registry-stack")
    app = stacks(folder / "cdk.out")
    assert deployed[LONG_TIMEOUT], "what is sent to the accounts"
    accounts = with_waiter(cloud, folder, WAYS)
    for account in accounts:
        version = {"Name": "/cdk-bootstrap/hnb659fds/version", "Value": "28", "Type": "String"}
        account.client("ssm").put_parameter(**version)
    jobs = {way.__name__: partial(way, account, app) for way, account in zip(WAYS.values(), accounts, strict=True)}
    return side_by_side(request, jobs, at_once=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", [way.__name__ for way in WAYS.values()])
def test_functions_are_created_when_their_images_are_there_and_nothing_that_lasts_is_touched(
    name: str, deployments: Mapping[str, Future[None]]
) -> None:
    deployments[name].result(timeout=2 * PATIENCE)
