"""The deployed waiter waits for the image that is meant, says whether it can be deployed, and hands its digest on.

Most of a wait is waiting, so the scenarios run side by side; each test collects one of them. All run deployed only: the
runtime they run on makes no difference to what ECR is asked.
"""

import json
import random
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

from sandbox.cloud import REGION, Cloud
from sandbox.images import push, push_index
from sandbox.player import Operation
from sandbox.processes import PATIENCE
from sandbox.proxy import Rule, delay
from tests.support.functions import HANDED_OVER, LONG_TIMEOUT, TIMEOUT, Deployed, failed, handed_over, uri
from tests.support.patience import eventually
from tests.support.side_by_side import side_by_side

SIDE_BY_SIDE = 4
REVISION = "org.opencontainers.image.revision"

Scenario = Callable[[Cloud, Deployed], None]
SCENARIOS: list[Scenario] = []
"""Those that take longest first."""


def scenario(run: Scenario) -> Scenario:
    SCENARIOS.append(run)
    return run


def checked(function: Deployed, operation: Operation, repository: str, times: int = 2) -> None:
    """Return when a repository has been checked so many times more, and the operation still lasts."""
    before = function.checks(repository)

    def often_enough() -> bool:
        assert operation.outcome is None, operation.outcome
        return function.checks(repository) >= before + times

    eventually(often_enough, "more checks")


def said(function: Deployed, operation: Operation, text: str) -> None:
    """Hold that a line of the log about an operation has a text; lines come when their invocation ends."""
    eventually(lambda: "response_sent" in [e.get("event") for e in function.entries(operation)], "the last line")
    assert any(text in message for message in function.logged(operation)), function.logged(operation)


def image_of_index(ecr: Any, repository: str, tag: str, architecture: str) -> str:
    """Return the digest of the image that an index lists for an architecture."""
    got = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])["images"][0]
    entries = json.loads(got["imageManifest"])["manifests"]
    return next(str(entry["digest"]) for entry in entries if entry["platform"]["architecture"] == architecture)


def twenty(repositories: list[str]) -> list[dict[str, str]]:
    """Return the entries for twenty images, spread over repositories."""
    return [
        {"Id": f"Image{n}", "RepositoryName": repositories[n % len(repositories)], "ImageTag": f"v{n}"}
        for n in range(20)
    ]


def wait_for_twenty(function: Deployed, images: list[dict[str, str]], seed: int) -> Mapping[str, Any]:
    """Wait for images that are pushed in random order, half of them in another invocation.

    Returns:
        The attributes, in which each image has the digest that was pushed.
    """
    order = random.Random(seed).sample(images, len(images))  # noqa: S311  # the same order each time
    pushed = {}
    with function.player() as player:
        create = player.create({"Images": images, **HANDED_OVER})
        for count, image in enumerate(order):
            if count == len(order) // 2:
                handed_over(function, create)
            assert create.outcome is None, f"{count} are there"
            digest = function.push(image["RepositoryName"], image["ImageTag"], content=image["Id"])
            pushed[f"{image['Id']}.ImageUri"] = uri(image["RepositoryName"], digest)
        outcome = create.wait()
    assert outcome.status == "SUCCESS", outcome
    assert outcome.data == {**pushed, **{key: outcome.data[key] for key in ("Attempts", "WaitedSeconds")}}
    assert len(set(pushed.values())) == len(images)
    return outcome.data


@scenario
def twenty_images_of_one_repository_cost_one_call_of_ecr_a_check_and_one_more_with_the_last(
    cloud: Cloud, function: Deployed
) -> None:
    repository = function.repository()
    attempts = int(wait_for_twenty(function, twenty([repository]), seed=1)["Attempts"])
    assert function.ecr_proxy.counts(repository) == {"ecr:BatchGetImage": attempts, "ecr:DescribeImages": 1}


@scenario
def a_latest_of_the_old_commit_is_not_yet_until_it_moves_and_no_config_is_read_twice(
    cloud: Cloud, function: Deployed
) -> None:
    # An account of its own, because the URL of a blob names that and no repository.
    account, repository = "111122223333", "team/labelled"
    ecr = cloud.client("ecr", account=account)
    ecr.create_repository(repositoryName=repository)
    old = push(ecr, repository, "latest", content="old", labels={REVISION: "a1b2c3d"})
    properties = {
        "RegistryId": account,
        "RepositoryName": repository,
        "ImageTag": "latest",
        "Labels": {REVISION: "d4e5f6a"},
        **HANDED_OVER,
    }
    blobs = Rule("s3:GetObject", delay(0), where=lambda call: f"-{account}-" in call.target)
    with function.ecr_proxy.rule(blobs), function.player() as player:
        create = player.create(properties)
        handed_over(function, create)
        checked(function, create, repository)
        assert blobs.met == 1
        new = push(ecr, repository, "latest", content="new", labels={REVISION: "d4e5f6a"})
        outcome = create.wait()
    assert outcome.status == "SUCCESS", outcome
    assert outcome.data["ImageUri"] == uri(repository, new, account)
    assert outcome.data["ImageUri"] != uri(repository, old, account)
    assert blobs.met == 2
    assert function.ecr_proxy.counts(repository) == {
        "ecr:DescribeImages": int(outcome.data["Attempts"]),
        "ecr:BatchGetImage": 2,
        "ecr:GetDownloadUrlForLayer": 2,
    }
    said(function, create, 'is "a1b2c3d", wanted "d4e5f6a"')


def store(function: Deployed, repository: str, storage_class: str) -> None:
    """Archive the image v1, or ask for its restore."""
    function.ecr.update_image_storage_class(
        repositoryName=repository, imageId={"imageTag": "v1"}, targetStorageClass=storage_class
    )


@scenario
def an_archived_image_is_waited_for_until_it_is_restored(cloud: Cloud, function: Deployed) -> None:
    repository = function.repository()
    digest = function.push(repository)
    store(function, repository, "ARCHIVE")
    with function.player() as player:
        create = player.create({"RepositoryName": repository, "ImageTag": "v1", **HANDED_OVER})
        checked(function, create, repository, 4)
        store(function, repository, "STANDARD")
        checked(function, create, repository, 4)
        cloud.ecr.end_restores()
        outcome = create.wait()
    assert outcome.status == "SUCCESS", outcome
    assert outcome.data["ImageUri"] == uri(repository, digest)
    said(function, create, "the image is archived")
    said(function, create, "(status ACTIVATING)")


@scenario
def an_index_is_no_image_for_lambda_and_the_reason_has_the_cure_while_ecs_takes_it(
    cloud: Cloud, function: Deployed
) -> None:
    repository = function.repository()
    digest = push_index(function.ecr, repository, "latest", platforms=["linux/arm64"], attestations=True)
    image = {"RepositoryName": repository, "ImageTag": "latest", **HANDED_OVER}
    with function.player() as player:
        refused = failed(player.create({**image, "DeployTarget": "Lambda"}))
        calls = function.ecr_proxy.counts(repository)
        taken = player.create({**image, "DeployTarget": "ECS"}).wait()
    assert calls == {"ecr:DescribeImages": 1}, "one check, and nothing else to read"
    assert "(1 check): the image cannot be deployed" in refused.reason
    assert "--provenance=false --platform linux/arm64" in refused.reason
    assert taken.data["ImageUri"] == uri(repository, digest)


@scenario
def a_role_is_assumed_once_and_looks_into_its_own_account_which_is_closed_to_the_function(
    cloud: Cloud, function: Deployed
) -> None:
    account, repository = "333344445555", "team/theirs"
    role = f"arn:aws:iam::{account}:role/reader-of-theirs"
    ecr = cloud.client("ecr", account=account)
    ecr.create_repository(repositoryName=repository)
    image = {"RepositoryName": repository, "ImageTag": "v1"}
    with cloud.ecr.closed(account), function.player() as player:
        denied = failed(player.create({**image, "RegistryId": account, "MaxRetries": "0"}))
        assert function.proxy.count("sts:AssumeRole", containing="reader-of-theirs") == 0
        before = function.checks(repository)
        create = player.create({**image, "RoleArn": role, **HANDED_OVER})
        checked(function, create, repository, 4)  # two of the first check, which asks for archived images as well
        digest = push(ecr, repository, "v1")
        outcome = create.wait()
    assert f"allow ecr:DescribeImages on arn:aws:ecr:{REGION}:{account}:repository/{repository}" in denied.reason
    assert outcome.status == "SUCCESS", outcome
    assert outcome.data["ImageUri"] == uri(repository, digest, account)
    assert function.checks(repository) - before >= 3
    invocations = 1 + function.hand_overs(create)
    assert 1 <= function.proxy.count("sts:AssumeRole", containing="reader-of-theirs") <= invocations


CONSUMER = """
Resources:
  Images:
    Type: Custom::EcrImageWaiter
    Properties:
      ServiceToken: "{{resolve:ssm:/ecr-image-waiter/service-token}}"
      MaxRetries: 60
      RetryDelaySeconds: 1
      Images:
        - { Id: Parser, RepositoryName: REPOSITORY, ImageTag: parser, DeployTarget: Lambda, Platform: arm64 }
        - { Id: Generator, RepositoryName: REPOSITORY, ImageTag: generator, DeployTarget: Lambda }
  One:
    Type: Custom::EcrImageWaiter
    Properties:
      ServiceToken: "{{resolve:ssm:/ecr-image-waiter/service-token}}"
      RepositoryName: REPOSITORY
      MaxRetries: 60
      RetryDelaySeconds: 1
      ImageTag: index
      Platform: linux/arm64
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: { Service: lambda.amazonaws.com }
            Action: sts:AssumeRole
  Parser:
    Type: AWS::Lambda::Function
    Properties:
      PackageType: Image
      Architectures: [arm64]
      Role: !GetAtt Role.Arn
      Code: { ImageUri: !GetAtt Images.Parser.ImageUri }
  Arm:
    Type: AWS::Lambda::Function
    Properties:
      PackageType: Image
      Architectures: [arm64]
      Role: !GetAtt Role.Arn
      Code: { ImageUri: !GetAtt One.PlatformImageUri }
Outputs:
  Generator:
    Value: !GetAtt [Images, Generator.ImageUri]
"""


@scenario
def a_stack_deploys_the_digests_of_several_images_and_of_one_of_an_index(cloud: Cloud, function: Deployed) -> None:
    repository = function.repository()
    parser, generator = (push(function.ecr, repository, tag, content=tag) for tag in ("parser", "generator"))
    push_index(function.ecr, repository, "index", attestations=True)
    arm = image_of_index(function.ecr, repository, "index", "arm64")
    cloudformation, functions = cloud.client("cloudformation"), cloud.client("lambda")
    stack = {"StackName": "several-images"}
    template = CONSUMER.replace("REPOSITORY", repository)
    cloudformation.create_stack(**stack, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])

    def described() -> Any:
        return cloudformation.describe_stacks(**stack)["Stacks"][0]

    def deployed(logical_id: str) -> str:
        resource = cloudformation.describe_stack_resource(**stack, LogicalResourceId=logical_id)
        name = resource["StackResourceDetail"]["PhysicalResourceId"]
        return str(functions.get_function(FunctionName=name)["Code"]["ImageUri"])

    eventually(lambda: not described()["StackStatus"].endswith("_IN_PROGRESS"), "the stack")
    assert described()["StackStatus"] == "CREATE_COMPLETE", described().get("StackStatusReason")
    assert deployed("Parser") == uri(repository, parser)
    assert deployed("Arm") == uri(repository, arm)
    assert [output["OutputValue"] for output in described()["Outputs"]] == [uri(repository, generator)]


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, cloud: Cloud, deployed: dict[int, Deployed]) -> dict[str, Future[None]]:
    """Every scenario, under way."""
    assert deployed[LONG_TIMEOUT], "the one that stacks find"
    return side_by_side(
        request, {run.__name__: partial(run, cloud, deployed[TIMEOUT]) for run in SCENARIOS}, SIDE_BY_SIDE
    )


@pytest.mark.parametrize("name", [run.__name__ for run in SCENARIOS])
def test_the_deployed_waiter(running: dict[str, Future[None]], name: str) -> None:
    """Each scenario's name is its claim."""
    running[name].result(timeout=2 * PATIENCE)
