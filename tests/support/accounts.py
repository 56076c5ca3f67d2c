"""Accounts in the sandbox with nothing in them but the waiter, and shells in which an example's page is followed."""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from sandbox import commands
from sandbox.cloud import ACCOUNT, ISOLATED, STACK, Cloud
from sandbox.commands import COMMIT
from sandbox.processes import PATIENCE, ROOT
from tests.policy.ordering import dependencies

HANDLE = "a handle that nobody waits for, with the same dependencies"
STAND_INS = {
    "AWS::CodePipeline::Pipeline": "the sandbox's pipeline, whose actions run buildspec.yml here, one after the other",
    "AWS::CodeBuild::Project": "MiniStack's project; the pipeline's actions do what it would",
    "AWS::ECR::Repository": "a repository of the sandbox's ECR",
    "AWS::ECR::PublicRepository": "a repository of the sandbox's ECR Public",
    "the CDK's command": "CloudFormation's API, with the templates that the app synthesizes, in the same order",
    "AWS::Serverless::Application in nested-app": "the template that sam build has made for the other tests",
    "docker, git and the AWS CLI": "the package sandbox.commands",
    "AWS::ECS::Service": "MiniStack's service, which starts no task",
    "AWS::EC2::SecurityGroupEgress": HANDLE,
    "AWS::EC2::SecurityGroupIngress": HANDLE,
    "AWS::CloudWatch::MetricStream": HANDLE,
    "AWS::CloudFront::Distribution": "MiniStack's distribution, which serves nothing",
    "cdk import": "the change set that it makes, without its questions",
}
"""What an account has and the sandbox has not, and its substitutes."""


def with_stand_ins(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template without the types that MiniStack refuses."""
    resources = {
        name: {"Type": "AWS::CloudFormation::WaitConditionHandle", "DependsOn": dependencies(template, name)}
        if STAND_INS.get(each["Type"]) == HANDLE
        else each
        for name, each in template["Resources"].items()
    }
    return {**template, "Resources": resources}


@dataclass(frozen=True)
class Account:
    """An account. `folder` is where its commands and what they remember lie."""

    cloud: Cloud
    number: str
    folder: Path

    def __post_init__(self) -> None:
        # Once, before anything runs side by side: a command cannot be started while it is being written.
        commands.install(self.folder, COMMIT)

    def client(self, service: str) -> Any:
        return self.cloud.client(service, account=self.number)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which commands use this account, and those of the sandbox are found first."""
        stand_ins = commands.variables(self.folder)
        path = os.pathsep.join([str(self.folder), str(ROOT / ".venvs/sam/bin"), os.environ["PATH"]])
        own = {"AWS_ACCESS_KEY_ID": self.number, "SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "1", "PATH": path}
        merged = {**os.environ, **ISOLATED, **self.cloud.environment, **stand_ins, **own}
        return {key: value for key, value in merged.items() if value is not None}

    def run(self, script: str, folder: Path, variables: Mapping[str, str] | None = None) -> str:
        """Run a script of bash in a folder, with the real SAM CLI, and docker, git and the AWS CLI of the sandbox.

        Returns:
            What it printed.

        Raises:
            AssertionError: it failed; with what it printed.
        """
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env={**self.environment, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}"
        return done.stdout

    def create_stack(self, name: str, template: str, parameters: Mapping[str, str] | None = None) -> None:
        """Begin to create a stack by CloudFormation's API."""
        self.client("cloudformation").create_stack(
            StackName=name,
            TemplateBody=template,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

    def packaged(self, stack: str, account: "Account") -> str:
        """Return a stack's template as the SAM CLI has sent it, for another account, with what it sent beside it."""
        theirs, ours = account.client("s3"), self.client("s3")
        (bucket,) = (each["Name"] for each in ours.list_buckets()["Buckets"] if "aws-sam-cli" in each["Name"])
        copied = f"{bucket[:50]}-{account.number}"  # names of buckets are everybody's
        if copied not in [each["Name"] for each in theirs.list_buckets()["Buckets"]]:
            theirs.create_bucket(Bucket=copied)
        for key in (each["Key"] for each in ours.list_objects_v2(Bucket=bucket)["Contents"]):
            body = ours.get_object(Bucket=bucket, Key=key)["Body"].read()
            if key.endswith(".template"):
                body = body.replace(bucket.encode(), copied.encode())
            theirs.put_object(Bucket=copied, Key=key, Body=body)
        sent = self.client("cloudformation").get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
        return json.dumps(yaml_parse(sent) if isinstance(sent, str) else sent).replace(bucket, copied)

    def resources(self) -> set[str]:
        """Return the names of the account's stacks, functions, repositories and roles, each with its kind."""
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        functions = self.client("lambda").list_functions()["Functions"]
        repositories = self.client("ecr").describe_repositories()["repositories"]
        roles = self.client("iam").list_roles()["Roles"]
        return {
            *(f"stack {each['StackName']}" for each in stacks),
            *(f"function {each['FunctionName']}" for each in functions),
            *(f"repository {each['repositoryName']}" for each in repositories),
            *(f"role {each['RoleName']}" for each in roles),
        }

    def status(self, stack: str) -> str:
        """Return a stack's status; an empty text where there is none."""
        cloudformation = self.client("cloudformation")
        try:
            return str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        except cloudformation.exceptions.ClientError:
            return ""

    def events(self, stack: str) -> list[tuple[str, str]]:
        """Return what has happened to a stack's resources: logical id and status, the oldest first."""
        if not self.status(stack):
            return []
        pages = self.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
        events = [event for page in pages for event in page["StackEvents"]]
        return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in reversed(events)]

    def wait_for(self, stack: str, resource: str, status: str) -> None:
        """Return when a resource of a stack has got to a status.

        Raises:
            AssertionError: it has failed, or did not in time.
        """
        deadline = time.monotonic() + PATIENCE
        while (resource, status) not in (events := self.events(stack)):
            assert not any("FAILED" in each or "ROLLBACK" in each for _, each in events), self.reasons(stack)
            assert time.monotonic() < deadline, f"{resource} of {stack} is not {status}: {events}"
            time.sleep(0.2)

    def reasons(self, stack: str) -> str:
        """Return a stack's events in full."""
        events = self.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        return "\n".join(
            f"{event['LogicalResourceId']} {event['ResourceStatus']} {event.get('ResourceStatusReason', '')}"
            for event in reversed(events)
        )

    def image_of(self, stack: str, resource: str) -> str:
        """Return the URI of the image that a stack's function was created from."""
        found = self.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=resource)
        function = found["StackResourceDetail"]["PhysicalResourceId"]
        return str(self.client("lambda").get_function(FunctionName=function)["Code"]["ImageUri"])

    def container_image_of(self, stack: str, resource: str) -> str:
        """Return the URI of the image that the first container of a stack's service of ECS runs."""
        found = self.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=resource)
        _, cluster, service = found["StackResourceDetail"]["PhysicalResourceId"].split("/")
        ecs = self.client("ecs")
        task = ecs.describe_services(cluster=cluster, services=[service])["services"][0]["taskDefinition"]
        containers = ecs.describe_task_definition(taskDefinition=task)["taskDefinition"]["containerDefinitions"]
        return str(containers[0]["image"])

    def uri(self, repository: str, tag: str = "latest") -> str:
        """Return the URI, by digest, of what is at a tag now."""
        ecr = self.client("ecr")
        image = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"][0]
        found = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
        return f"{found['repositoryUri']}@{image['imageDigest']}"


def with_waiter(cloud: Cloud, folder: Path, numbers: Iterable[str]) -> list[Account]:
    """Returns accounts with nothing but the waiter, as the SAM CLI has sent it to the sandbox's own account."""
    own = Account(cloud, ACCOUNT, folder / ACCOUNT)
    accounts = [Account(cloud, number, folder / number) for number in numbers]
    assert [account.resources() for account in accounts] == [set() for _ in accounts], "there is something in them"
    for each in accounts:
        each.create_stack(STACK, own.packaged(STACK, each))
        each.wait_for(STACK, STACK, "CREATE_COMPLETE")
    return accounts


def assert_created_in_order(account: Account, stack: str, pins: Mapping[str, str]) -> None:
    """Make sure that each function was begun when its waiter was complete. `pins`: the waiter, by function."""
    events = account.events(stack)
    for function, waiter in pins.items():
        begun, found = events.index((function, "CREATE_IN_PROGRESS")), events.index((waiter, "CREATE_COMPLETE"))
        assert found < begun, events
