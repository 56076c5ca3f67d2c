"""The apps of apps.json, as Python synthesizes them; cdk-typescript/test/apps.mts does the same in TypeScript."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import count
from typing import Any

from aws_cdk import App, CfnOutput, CfnParameter, Duration, Environment, Fn, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from aws_cdk.assertions import Annotations, Match, Template

from ecr_image_waiter.cdk import EcrImageWaiter, EcrImageWaiterProvider, Image
from sandbox.processes import ROOT

Described = Mapping[str, Any]
APPS: Mapping[str, Mapping[str, Described]] = json.loads((ROOT / "tests" / "cdk" / "apps.json").read_text())


def synthesized(app: Described) -> dict[str, Any]:
    """Return the template of an app that gives no warning, or {"error": what the construct said}."""
    stack = Stack(App(), "Stack", env=Environment(**app.get("env", {})))
    values = _Values(stack)
    try:
        waiters = {
            id_: EcrImageWaiter(stack, id_, **values.arguments(given, images=values.images))
            for id_, given in app["waiters"].items()
        }
    except ValueError as error:
        return {"error": str(error)}
    for number, use in enumerate(app.get("uses", ())):
        _use(stack, number, use, waiters)
    Annotations.from_stack(stack).has_no_warning("*", Match.any_value())
    return dict(Template.from_stack(stack).to_json())


def _use(stack: Stack, number: int, use: Described, waiters: Mapping[str, EcrImageWaiter]) -> None:
    match use:
        case {"function": of, **rest}:
            code = waiters[of].docker_image_code(rest.pop("id", ""), **{snake(name): rest[name] for name in rest})
            lambda_.DockerImageFunction(stack, f"Function{number}", code=code)
        case {"task": of, **rest}:
            task = ecs.FargateTaskDefinition(stack, f"Task{number}")
            task.add_container("Container", image=waiters[of].container_image(rest.get("id", "")))
        case {"outputs": of, "of": names}:
            for name in names:
                CfnOutput(stack, f"{name}{number}", value=getattr(waiters[of], snake(name)))
        case {"after": of}:
            after = ssm.StringParameter(stack, f"After{number}", string_value="-")
            after.node.add_dependency(waiters[of])
        case _:
            raise AssertionError(use)


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


class _Values:
    """What the values of the table are in a stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._numbers = count()
        self._kinds: Mapping[str, Callable[[Any], Any]] = {
            "parameter": lambda id_: CfnParameter(stack, id_).value_as_string,
            "number": lambda id_: CfnParameter(stack, id_, type="Number").value_as_number,
            "import": Fn.import_value,
            "duration": Duration.seconds,
            "architecture": lambda name: getattr(lambda_.Architecture, name.upper().replace("ARM64", "ARM_64")),
            "time": datetime.fromisoformat,
            "long": lambda length: "x" * length,
            "repository": lambda name: ecr.Repository(stack, self._id(), repository_name=name),
            "repositoryArn": lambda arn: ecr.Repository.from_repository_arn(stack, self._id(), arn),
            "repositoryName": lambda name: ecr.Repository.from_repository_name(stack, self._id(), name),
            "role": lambda arn: iam.Role.from_role_arn(stack, self._id(), arn),
            "policy": lambda arn: iam.ManagedPolicy.from_managed_policy_arn(stack, self._id(), arn),
            "key": lambda arn: kms.Key.from_key_arn(stack, self._id(), arn),
            "topic": lambda arn: sns.Topic.from_topic_arn(stack, self._id(), arn),
            "project": self._project,
            "pipeline": self._pipeline,
            "provider": lambda given: EcrImageWaiterProvider(stack, self._id(), **self.arguments(given)),
        }

    def arguments(self, given: Described, **special: Callable[[Any], Any]) -> dict[str, Any]:
        return {snake(name): special.get(name, self.value)(value) for name, value in given.items()}

    def images(self, given: list[Described]) -> list[Image]:
        return [Image(**self.arguments(each)) for each in given]

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if not isinstance(value, dict):
            return value
        for kind, of in value.items():
            if kind.startswith("$"):
                return self._kinds[kind[1:]](of)
        return {name: self.value(each) for name, each in value.items()}

    def _id(self) -> str:
        return f"Given{next(self._numbers)}"

    def _project(self, name: str) -> codebuild.Project:
        spec = codebuild.BuildSpec.from_object({"version": "0.2"})
        return codebuild.Project(self._stack, self._id(), project_name=name, build_spec=spec)

    def _pipeline(self, name: str) -> codepipeline.IPipeline:
        arn = self._stack.format_arn(service="codepipeline", resource=name)
        return codepipeline.Pipeline.from_pipeline_arn(self._stack, self._id(), arn)


def normal(template: Any) -> Any:
    """Return a template without metadata and without the hashes of assets; the lines of an error in order."""
    if isinstance(template, list):
        return [normal(each) for each in template]
    if isinstance(template, dict):
        return {name: normal(each) for name, each in template.items() if name != "Metadata"}
    if isinstance(template, str) and "is not valid:\n" in template:
        return sorted(template.splitlines())
    return re.sub(r"\b[0-9a-f]{64}\.zip$", "HASH.zip", template) if isinstance(template, str) else template
