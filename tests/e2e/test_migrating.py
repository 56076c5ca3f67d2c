"""Each diff of docs/migrating.md: its old template deployed, then its new one, as an update in one deployment.

What the templates of the page refer to without having it is added here: a repository, a role, a project, and the old
waiter. That is one hand-written function, which also stands in for crhelper's polling and for the functions of the
CDK's Provider, since the way over differs by the template alone.
"""

import json
import os
import re
import subprocess
import textwrap
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from sandbox.builds import Place
from sandbox.cloud import CDK_PYTHON, REGION, Cloud, node_for_the_cdk
from sandbox.images import push
from sandbox.processes import PATIENCE, ROOT
from tests.policy.ordering import pins, waiters
from tests.support.accounts import Account, with_waiter
from tests.support.functions import LONG_TIMEOUT, Deployed
from tests.support.patience import eventually
from tests.support.side_by_side import side_by_side

PAGE = (ROOT / "docs" / "migrating.md").read_text()
HANDWRITTEN = (ROOT / "bench" / "contestants" / "handwritten" / "handler.py").read_text()
ASKED = """

def old(event, context):
    print("asked to", event["RequestType"])
    project = event["ResourceProperties"].get("ProjectName")
    if project and event["RequestType"] == "Create":
        boto3.client("codebuild").start_build(projectName=project)
    handler(event, context)
"""
OLD_FUNCTION: dict[str, Any] = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": "python3.13",
        "Handler": "index.old",
        "Role": {"Fn::GetAtt": ["AppRole", "Arn"]},
        "Timeout": 120,
        "Code": {"ZipFile": HANDWRITTEN.replace("time.sleep(10)", "time.sleep(0.5)") + ASKED},
    },
}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    },
}
PROJECT = {
    "Type": "AWS::CodeBuild::Project",
    "Properties": {
        "Name": "migrated",
        "ServiceRole": {"Fn::GetAtt": ["AppRole", "Arn"]},
        "Source": {"Type": "NO_SOURCE", "BuildSpec": "version: 0.2"},
        "Artifacts": {"Type": "NO_ARTIFACTS"},
        "Environment": {"Type": "ARM_CONTAINER", "ComputeType": "BUILD_GENERAL1_SMALL", "Image": "aws/codebuild/x"},
    },
}
THERE_ALREADY = {"AppRole": ROLE, "Repository": {"Type": "AWS::ECR::Repository"}}
IF_REFERRED_TO = {"OldWaiter": OLD_FUNCTION, "Build": PROJECT}
Template = dict[str, Any]


def diffs(section: str) -> list[str]:
    """Return the diffs of a section of the page."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```diff\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def side(diff: str, mark: str) -> str:
    """Return one side of a diff: `-` is the old one, `+` the new one."""
    return "".join(f"{line[1:]}\n" for line in diff.splitlines() if line[:1] in ("", " ", mark))


def template(text: str) -> Template:
    """Return a side as a whole template, with what it refers to."""
    found: Template = yaml_parse(text)
    referred = {name: each for name, each in IF_REFERRED_TO.items() if re.search(rf"\b{name}\b", text)}
    return {**found, "Resources": {**THERE_ALREADY, **referred, **found["Resources"]}}


def of_the_cdk(body: str, folder: Path) -> Template:
    """Return the template of a stack of the CDK, with the old function in the place of its own."""
    for code in re.findall(r'from_asset\("(.*)"\)', body):
        (folder / code).mkdir(parents=True)
    folder.mkdir(parents=True, exist_ok=True)
    app = textwrap.dedent("""\
        from aws_cdk import App, CustomResource, Duration, Stack, custom_resources
        from aws_cdk import aws_ecr as ecr
        from aws_cdk import aws_lambda as lambda_
        from ecr_image_waiter.cdk import EcrImageWaiter

        cdk = App()
        self = Stack(cdk, "App")
        repository = ecr.Repository(self, "Repository")
        on_event, is_complete = (
            lambda_.Function(
                self, name, runtime=lambda_.Runtime.PYTHON_3_13, handler="index.x", code=lambda_.Code.from_inline("#")
            )
            for name in ("OnEvent", "IsComplete")
        )
    """)
    (folder / "app.py").write_text(f"{app}\n{body}\ncdk.synth()\n")
    own = {
        "CDK_OUTDIR": str(folder / "cdk.out"),
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "PYTHONPATH": str(ROOT / "src"),
    }
    environment = {**os.environ, **node_for_the_cdk(), **own}
    subprocess.run([CDK_PYTHON, "app.py"], cwd=folder, env=environment, check=True, timeout=300)
    found: Template = json.loads((folder / "cdk.out" / "App.template.json").read_text())
    for resource in found["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function" and "ImageUri" not in resource["Properties"]["Code"]:
            resource["Properties"] |= {**OLD_FUNCTION["Properties"], "Role": resource["Properties"]["Role"]}
    return found


@dataclass(frozen=True)
class Deployment:
    """A stack that is on its way from the old template to the new one."""

    account: Account
    stack: str

    def create(self, template: Template) -> str:
        """Begin to create it, and return the name of its repository when that is there."""
        self.account.create_stack(self.stack, json.dumps(template))
        return self.id_of(next(each for each in template["Resources"] if each.startswith("Repository")))

    def id_of(self, resource: str) -> str:
        """Return the physical id of a resource, when it is there."""
        self.account.wait_for(self.stack, resource, "CREATE_COMPLETE")
        found = self.account.client("cloudformation").describe_stack_resource(
            StackName=self.stack, LogicalResourceId=resource
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def update(self, template: Template, **parameters: str) -> None:
        """Update it, and return when that is done."""
        self.account.client("cloudformation").update_stack(
            StackName=self.stack,
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        eventually(lambda: self.account.status(self.stack).endswith("UPDATE_COMPLETE"), "it is updated")

    def push(self, repository: str) -> None:
        """Push the image that it waits for."""
        push(self.account.client("ecr"), repository, "latest")


def old_waiter(template: Template) -> str:
    """Return the custom resource of an old template, an empty text where there is none."""
    kinds = ("Custom::", "AWS::CloudFormation::CustomResource")
    return next((name for name, each in template["Resources"].items() if each["Type"].startswith(kinds)), "")


def old_waiter_waits(deployment: Deployment, old: Template) -> str:
    """Push while the old waiter waits, and return the repository's name."""
    repository = deployment.create(old)
    deployment.account.wait_for(deployment.stack, old_waiter(old), "CREATE_IN_PROGRESS")
    deployment.push(repository)
    return repository


def signalled(deployment: Deployment, old: Template) -> str:
    """Push, and signal the handle, as the build does."""
    repository = deployment.create(old)
    url = deployment.id_of("ImagePushed")
    deployment.account.wait_for(deployment.stack, "ImageReady", "CREATE_IN_PROGRESS")
    deployment.push(repository)
    signal = {"Status": "SUCCESS", "UniqueId": "1", "Data": "pushed", "Reason": "pushed"}
    no_type = {"Content-Type": ""}  # with another one, it is refused
    request = urllib.request.Request(url, json.dumps(signal).encode(), no_type, method="PUT")  # noqa: S310  # the sandbox's
    urllib.request.urlopen(request).close()  # noqa: S310  # as above
    return repository


def in_two_phases(deployment: Deployment, old: Template) -> str:
    """Push before a second deployment adds the function."""
    repository = deployment.create(old)
    deployment.account.wait_for(deployment.stack, deployment.stack, "CREATE_COMPLETE")
    deployment.push(repository)
    deployment.update(old, ImagePushed="true")
    return repository


def after_a_loop(deployment: Deployment, old: Template) -> str:
    """Push before the loop ends, after which the function is deployed."""
    loop, _ = diffs("A shell loop in a pipeline")
    function = old["Resources"].pop("App")
    repository = deployment.create(old)
    deployment.account.wait_for(deployment.stack, deployment.stack, "CREATE_COMPLETE")
    deployment.push(repository)
    deployment.account.run(side(loop, "-"), ROOT, {"REPOSITORY": repository})
    assert side(loop, "+") == ""
    old["Resources"]["App"] = function
    deployment.update(old)
    return repository


WAYS: Mapping[str, Callable[[Deployment, Template], str]] = {
    "A hand-written waiter": old_waiter_waits,
    "A hand-written waiter in the CDK": old_waiter_waits,
    "A hand-written waiter that starts a build": old_waiter_waits,
    "Polling with crhelper": old_waiter_waits,
    "Provider of the CDK": old_waiter_waits,
    "A WaitCondition": signalled,
    "A deployment in two phases": in_two_phases,
    "A shell loop in a pipeline": after_a_loop,
}


def migrate(account: Account, section: str, folder: Path) -> None:
    """Go the way of a section, and see that no image is lost and nothing is waited for on it."""
    *_, diff = diffs(section)
    name = f"migrating-{list(WAYS).index(section)}"
    if "Resources:" in diff:
        old, new = template(side(diff, "-")), template(side(diff, "+"))
    else:
        old, new = (of_the_cdk(side(diff, mark), folder / name / sign) for mark, sign in (("-", "old"), ("+", "new")))
    assert waiters(old) == []
    ((function, _),) = pins(new).items()
    deployment, ecr = Deployment(account, name), account.client("ecr")

    repository = WAYS[section](deployment, old)
    eventually(lambda: account.status(name) in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), "the old template is deployed")
    asked_in = ""
    if waiter := old_waiter(old):
        token, _ = old["Resources"][waiter]["Properties"]["ServiceToken"]["Fn::GetAtt"]
        asked_in = f"/aws/lambda/{deployment.id_of(token)}"
    images, checks = ecr.list_images(repositoryName=repository)["imageIds"], checked(account, repository)

    deployment.update(new)
    assert checked(account, repository) == checks + 1
    assert ecr.list_images(repositoryName=repository)["imageIds"] == images
    assert account.image_of(name, function) == account.uri(repository)
    listed = account.client("cloudformation").list_stack_resources(StackName=name)["StackResourceSummaries"]
    assert {each["LogicalResourceId"] for each in listed} == new["Resources"].keys()
    if asked_in:
        logged = account.client("logs").filter_log_events(logGroupName=asked_in)["events"]
        assert [each["message"].split()[-1] for each in logged if "asked to" in each["message"]] == ["Create", "Delete"]
    if "Build" in new["Resources"]:
        assert len(account.cloud.builds.runs("migrated", place=Place(account.number, REGION))) == 1


def checked(account: Account, repository: str) -> int:
    """Return how often images of a repository have been described to functions."""
    return account.cloud.ecr_proxy.count("ecr:DescribeImages", repository=repository)


@pytest.fixture(scope="module")
def migrations(
    request: pytest.FixtureRequest,
    cloud: Cloud,
    deployed: dict[int, Deployed],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Future[None]]:
    """All of them, started, in an account in which there is nothing but the waiter."""
    folder = tmp_path_factory.mktemp("migrating")
    assert deployed[LONG_TIMEOUT], "what is sent to the account"
    (account,) = with_waiter(cloud, folder, ["555555555555"])
    account.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="28", Type="String")
    jobs = {section: partial(migrate, account, section, folder) for section in WAYS}
    return side_by_side(request, jobs, at_once=3)


def test_every_section_with_a_diff_is_tried() -> None:
    assert [each for each in re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE) if diffs(each)] == [*WAYS]


@pytest.mark.slow
@pytest.mark.parametrize("section", WAYS)
def test_the_new_template_replaces_the_old_one_without_a_wait(
    section: str, migrations: Mapping[str, Future[None]]
) -> None:
    migrations[section].result(timeout=PATIENCE)
