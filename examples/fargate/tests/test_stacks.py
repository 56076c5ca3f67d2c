"""The service runs the image that the waiter found, and the registry keeps each commit's image."""

import pytest
from aws_cdk import App
from aws_cdk.assertions import Match, Template
from stacks.app_stack import AppStack
from stacks.fargate_stack import FargateStack

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def stacks() -> tuple[AppStack, FargateStack]:
    app = App()
    registry = AppStack(app, "AppStack")
    return registry, FargateStack(app, "FargateStack", repository=registry.repository, commit=COMMIT)


@pytest.fixture(scope="module")
def registry(stacks: tuple[AppStack, FargateStack]) -> Template:
    return Template.from_stack(stacks[0])


@pytest.fixture(scope="module")
def service(stacks: tuple[AppStack, FargateStack]) -> Template:
    return Template.from_stack(stacks[1])


def test_the_task_runs_the_digest_that_the_waiter_found(service: Template) -> None:
    (waiter,) = service.find_resources("Custom::EcrImageWaiter", {"Properties": {"ImageTag": COMMIT}})
    image = Match.object_like({"Image": {"Fn::GetAtt": [waiter, "ImageUri"]}})
    service.has_resource_properties("AWS::ECS::TaskDefinition", {"ContainerDefinitions": [image]})


def test_a_deployment_that_fails_ends_instead_of_looping(service: Template) -> None:
    breaker = {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}
    service.has_resource_properties("AWS::ECS::Service", {"DeploymentConfiguration": Match.object_like(breaker)})


def test_only_latest_can_be_overwritten(registry: Template) -> None:
    excluded = {
        "ImageTagMutabilityExclusionFilterType": "WILDCARD",
        "ImageTagMutabilityExclusionFilterValue": "latest",
    }
    registry.has_resource_properties(
        "AWS::ECR::Repository",
        {"ImageTagMutability": "IMMUTABLE_WITH_EXCLUSION", "ImageTagMutabilityExclusionFilters": [excluded]},
    )
